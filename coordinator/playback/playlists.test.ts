import { Parser } from 'm3u8-parser';
import { expect, test } from 'vitest';
import type { Rendition, RenditionPiece } from '../renditions/rendition.ts';
import type { ServedAttachment } from '../videos/content.ts';
import { bitRatesOf } from './bit-rates.ts';
import { masterPlaylistOf, type ReadyRendition } from './master-playlist.ts';
import { captionsPlaylistOf, mediaPlaylistOf } from './media-playlist.ts';
import { SegmentTable } from './segment-table.ts';
import { AUDIO_MEDIA, pieceOf, renditionOf, VIDEO_MEDIA } from './test-support/made-renditions.ts';

/** As somebody else reads them. */
function parse(text: string) {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  return parser.manifest;
}

/** 4 s segments of so many bytes. */
function ready(media: Rendition['media'], ...lengths: readonly number[]): ReadyRendition {
  return { rendition: renditionOf({ media }), ...bitRatesOf(new SegmentTable([pieceOf({ lengths })])) };
}

const rung = (height: number, bitsPerSecond: number) =>
  ready(
    { ...VIDEO_MEDIA, width: Math.round((height * 16) / 9), height },
    bitsPerSecond / 2,
    bitsPerSecond / 2,
  );

function attached(overrides: Partial<ServedAttachment>): ServedAttachment {
  return { name: 'en.vtt', kind: 'captions', language: null, label: null, ...overrides } as ServedAttachment;
}

const uriOf = ({ rendition }: ReadyRendition) => `${rendition.id}/index.m3u8`;

test('variants say what they need together with their sound; players begin with a middle one', () => {
  const [low, middle, high] = [rung(360, 800_000), rung(720, 2_500_000), rung(1080, 5_000_000)];
  const sound = ready(AUDIO_MEDIA, 50_000, 70_000);
  const text = masterPlaylistOf([high, sound, low, middle], [], '');
  const { playlists, mediaGroups, independentSegments, version } = parse(text);
  expect(version).toBe(7);
  expect(independentSegments).toBe(true);
  expect(playlists?.map(({ uri }) => uri)).toEqual([uriOf(middle), uriOf(high), uriOf(low)]);
  expect(playlists?.[0]?.attributes).toEqual({
    BANDWIDTH: 2_500_000 + 140_000,
    'AVERAGE-BANDWIDTH': String(2_500_000 + 120_000),
    CODECS: 'avc1.64001f,mp4a.40.2',
    RESOLUTION: { width: 1280, height: 720 },
    'FRAME-RATE': 25,
    AUDIO: 'audio',
    'CLOSED-CAPTIONS': 'NONE',
  });
  expect(mediaGroups?.AUDIO?.audio).toEqual({
    'Audio 1': { default: true, autoselect: true, uri: uriOf(sound) },
  });
  expect(text).not.toContain('SUBTITLES');
});

test('no segment is longer than the target duration, as it is written', () => {
  const table = new SegmentTable([
    pieceOf({ lengths: [10], timescale: 10_000_000, durations: [44_999_998] }),
  ]);
  const { segments, targetDuration } = parse(mediaPlaylistOf(table, bitRatesOf(table), ''));
  expect([segments?.[0]?.duration, targetDuration]).toEqual([4.5, 5]);
});

test('where all variants are large, players begin with the smallest', () => {
  const [one, two] = [rung(1080, 9_000_000), rung(720, 4_000_000)];
  const { playlists } = parse(masterPlaylistOf([one, two], [], ''));
  expect(playlists?.map(({ uri }) => uri)).toEqual([uriOf(two), uriOf(one)]);
  expect(playlists?.[0]?.attributes).not.toHaveProperty('AUDIO');
});

test('several tracks of sound are offered by name, one of them by default', () => {
  const tracks = [
    { track: 0, language: 'de', label: 'Said "so"\n', isDefault: false },
    { track: 1, language: 'en', label: null, isDefault: true },
    { track: 2, language: 'en', label: null, isDefault: true },
    { track: 3, language: null, label: null, isDefault: false },
  ].map((track) => ready({ ...AUDIO_MEDIA, ...track }, 50_000));
  const { mediaGroups } = parse(masterPlaylistOf([rung(720, 2_000_000), ...tracks], [], ''));
  const group = mediaGroups?.AUDIO?.audio ?? {};
  const offered = Object.entries(group).map(([name, { default: isDefault, uri }]) => [name, isDefault, uri]);
  expect(offered).toEqual([
    ['en', true, uriOf(tracks[1]!)],
    ['en 2', false, uriOf(tracks[2]!)],
    ['Said  so', false, uriOf(tracks[0]!)],
    ['Audio 4', false, uriOf(tracks[3]!)],
  ]);
});

test('sound alone is a variant; several tracks of it are a group besides', () => {
  const one = ready(AUDIO_MEDIA, 50_000);
  const alone = parse(masterPlaylistOf([one], [], ''));
  expect(alone.playlists?.map(({ uri }) => uri)).toEqual([uriOf(one)]);
  expect(alone.playlists?.[0]?.attributes).toEqual({
    BANDWIDTH: 100_000,
    'AVERAGE-BANDWIDTH': '100000',
    CODECS: 'mp4a.40.2',
  });
  const two = ready({ ...AUDIO_MEDIA, track: 1, isDefault: false }, 60_000);
  const both = parse(masterPlaylistOf([two, one], [], ''));
  expect(both.playlists?.map(({ uri }) => uri)).toEqual([uriOf(one)]);
  expect(both.playlists?.[0]?.attributes).toMatchObject({ AUDIO: 'audio', BANDWIDTH: 120_000 });
  expect(Object.keys(both.mediaGroups?.AUDIO?.audio ?? {})).toEqual(['Audio 1', 'Audio 2']);
});

test('captions and subtitles are offered, other attachments are not', () => {
  const files = [
    attached({ name: 'en.vtt', language: 'en', label: 'English' }),
    attached({ name: 'en-2.vtt', language: 'en', label: 'English', kind: 'subtitles' }),
    attached({ name: 'plain.vtt' }),
    attached({ name: 'chapters.vtt', kind: 'chapters' }),
    attached({ name: 'a.jpg', kind: 'poster' }),
  ];
  const text = masterPlaylistOf([rung(720, 2_000_000)], files, '');
  const { mediaGroups, playlists } = parse(text);
  const group = mediaGroups?.SUBTITLES?.captions ?? {};
  const offered = Object.entries(group).map(([name, { language, uri }]) => [name, language, uri]);
  expect(offered).toEqual([
    ['English', 'en', 'captions/en.vtt/index.m3u8'],
    ['English 2', 'en', 'captions/en-2.vtt/index.m3u8'],
    ['plain.vtt', undefined, 'captions/plain.vtt/index.m3u8'],
  ]);
  expect(playlists?.[0]?.attributes).toMatchObject({ SUBTITLES: 'captions' });
});

test('how segments are delivered is handed on', () => {
  const video = rung(720, 2_000_000);
  const query = '?delivery=redirect';
  const master = masterPlaylistOf([video, ready(AUDIO_MEDIA, 5)], [], query);
  expect(master.match(/\.m3u8\?delivery=redirect/g)).toHaveLength(2);
  const media = parse(mediaPlaylistOf(new SegmentTable([pieceOf({ lengths: [5] })]), video, query));
  expect(media.segments?.[0]).toMatchObject({
    uri: '0.m4s?delivery=redirect',
    map: { uri: 'init-0.mp4?delivery=redirect' },
  });
});

test('a rendition is listed to its end, with what goes before its segments where that changes', () => {
  const other = Buffer.from('other');
  const pieces: RenditionPiece[] = [
    pieceOf({ lengths: [1, 1], timescale: 30_000, durations: [120_120, 60_060] }),
    pieceOf({ lengths: [1], index: 1, timescale: 30_000, durations: [195_195] }),
    pieceOf({ lengths: [1], index: 2, timescale: 1000, durations: [1], init: other }),
    pieceOf({ lengths: [1], index: 3, timescale: 1000, durations: [1], init: other }),
  ];
  const table = new SegmentTable(pieces);
  const text = mediaPlaylistOf(table, bitRatesOf(table), '');
  const { segments, ...head } = parse(text);
  expect(head).toMatchObject({
    ...{ version: 7, mediaSequence: 0, playlistType: 'VOD', endList: true, independentSegments: true },
    targetDuration: 7,
  });
  expect(segments?.map(({ uri, duration, map }) => [uri, duration, map?.uri])).toEqual([
    ['0.m4s', 4.004, 'init-0.mp4'],
    ['1.m4s', 2.002, 'init-0.mp4'],
    ['2.m4s', 6.5065, 'init-0.mp4'],
    ['3.m4s', 0.001, 'init-2.mp4'],
    ['4.m4s', 0.001, 'init-2.mp4'],
  ]);
  expect(text.match(/EXT-X-MAP/g)).toHaveLength(2);
  for (const { duration } of segments ?? [])
    expect(Math.round(duration)).toBeLessThanOrEqual(head.targetDuration!);
});

test('captions are one segment that is as long as the title', () => {
  const { segments, targetDuration, endList } = parse(captionsPlaylistOf(7200.04));
  expect(segments).toMatchObject([{ uri: 'captions.vtt', duration: 7200.04 }]);
  expect([targetDuration, endList]).toEqual([7200, true]);
});
