import type { Rendition } from '../renditions/rendition.ts';
import type { ServedAttachment } from '../videos/content.ts';
import type { BitRates } from './bit-rates.ts';
import { FIRST_VARIANT_BITS_MAX } from './limits.ts';
import { captionsPathOf, mediaPathOf } from './paths.ts';

/** A rendition that players are told of. */
export interface ReadyRendition extends BitRates {
  readonly rendition: Rendition;
}

type Media<Kind extends Rendition['media']['kind']> = Extract<Rendition['media'], { kind: Kind }>;
interface Ready<Kind extends Rendition['media']['kind']> extends BitRates {
  readonly id: string;
  readonly media: Media<Kind>;
}
/** Attributes of a tag; what is undefined is left out. Text that is to stand in quotes has them already. */
type Attributes = Readonly<Record<string, string | number | undefined>>;

const AUDIO_GROUP = 'audio';
const CAPTIONS_GROUP = 'captions';
/** Captions and subtitles are offered to viewers; chapters and descriptions are for pages to read. */
const SHOWN_KINDS: ReadonlySet<string> = new Set(['captions', 'subtitles']);

const FOR_THE_DEAF =
  'public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound';

/** The playlist of all renditions (RFC 8216, section 4.3.4); at least one. `query` goes behind every media playlist. */
export function masterPlaylistOf(
  renditions: readonly ReadyRendition[],
  attachments: Iterable<ServedAttachment>,
  query: string,
): string {
  const videos = renditions.flatMap((ready) => ofKind(ready, 'video'));
  const sounds = renditions.flatMap((ready) => ofKind(ready, 'audio')).sort(bySoundOrder);
  const captions = [...attachments].filter(({ kind }) => SHOWN_KINDS.has(kind));
  // Sound that stands alone needs no group beside the variant that it is.
  const hasGroup = videos.length > 0 ? sounds.length > 0 : sounds.length > 1;
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...(hasGroup ? soundTags(sounds, query) : []),
    ...captionsTags(captions, query),
  ];
  const groups = {
    AUDIO: hasGroup ? quoted(AUDIO_GROUP) : undefined,
    SUBTITLES: captions.length > 0 ? quoted(CAPTIONS_GROUP) : undefined,
    'CLOSED-CAPTIONS': videos.length > 0 ? 'NONE' : undefined,
  };
  for (const video of inOrder(videos)) {
    const { codecs, width, height, frameRate } = video.media;
    lines.push(
      tag('#EXT-X-STREAM-INF', {
        BANDWIDTH: video.peak + highest(sounds, 'peak'),
        'AVERAGE-BANDWIDTH': video.average + highest(sounds, 'average'),
        CODECS: quoted([...new Set([codecs, ...sounds.map(({ media }) => media.codecs)])].join(',')),
        RESOLUTION: `${width}x${height}`,
        'FRAME-RATE': frameRate.toFixed(3),
        ...groups,
      }),
      mediaPathOf(video.id) + query,
    );
  }
  const [alone] = sounds;
  if (videos.length === 0 && alone !== undefined) {
    lines.push(
      tag('#EXT-X-STREAM-INF', {
        BANDWIDTH: highest(sounds, 'peak'),
        'AVERAGE-BANDWIDTH': highest(sounds, 'average'),
        CODECS: quoted([...new Set(sounds.map(({ media }) => media.codecs))].join(',')),
        ...groups,
      }),
      mediaPathOf(alone.id) + query,
    );
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Players begin with the first variant: that is the best one which most connections carry at once, or the smallest. The others
 * follow from the best on.
 */
function inOrder(videos: readonly Ready<'video'>[]): Ready<'video'>[] {
  const sorted = videos.toSorted((one, other) => other.average - one.average);
  const first = sorted.find(({ average }) => average <= FIRST_VARIANT_BITS_MAX) ?? sorted.at(-1);
  return first === undefined ? [] : [first, ...sorted.filter((video) => video !== first)];
}

/** What plays unless the viewer chooses comes first. */
function bySoundOrder({ media: one }: Ready<'audio'>, { media: other }: Ready<'audio'>): number {
  return Number(other.isDefault) - Number(one.isDefault) || one.track - other.track;
}

function soundTags(sounds: readonly Ready<'audio'>[], query: string): string[] {
  const names = new Set<string>();
  return sounds.map(({ id, media }, index) =>
    tag('#EXT-X-MEDIA', {
      TYPE: 'AUDIO',
      'GROUP-ID': quoted(AUDIO_GROUP),
      NAME: quoted(nameNotIn(names, media.label ?? media.language ?? `Audio ${media.track + 1}`)),
      LANGUAGE: media.language === null ? undefined : quoted(media.language),
      // One is, whether the file says so of one, of none or of several.
      DEFAULT: index === 0 ? 'YES' : 'NO',
      AUTOSELECT: 'YES',
      CHANNELS: quoted(String(media.channels)),
      URI: quoted(mediaPathOf(id) + query),
    }),
  );
}

function captionsTags(files: readonly ServedAttachment[], query: string): string[] {
  const names = new Set<string>();
  return files.map(({ name, kind, language, label }) =>
    tag('#EXT-X-MEDIA', {
      TYPE: 'SUBTITLES',
      'GROUP-ID': quoted(CAPTIONS_GROUP),
      NAME: quoted(nameNotIn(names, label ?? language ?? name)),
      LANGUAGE: language === null ? undefined : quoted(language),
      DEFAULT: 'NO',
      AUTOSELECT: 'YES',
      FORCED: 'NO',
      CHARACTERISTICS: kind === 'captions' ? quoted(FOR_THE_DEAF) : undefined,
      URI: quoted(captionsPathOf(name) + query),
    }),
  );
}

function ofKind<Kind extends Rendition['media']['kind']>(
  { rendition, ...rates }: ReadyRendition,
  kind: Kind,
): Ready<Kind>[] {
  const { id, media } = rendition;
  return media.kind === kind ? [{ id, media: media as Media<Kind>, ...rates }] : [];
}

function highest(sounds: readonly Ready<'audio'>[], of: 'peak' | 'average'): number {
  return Math.max(0, ...sounds.map((sound) => sound[of]));
}

function nameNotIn(names: Set<string>, wanted: string): string {
  let name = wanted;
  for (let count = 2; names.has(name); count++) name = `${wanted} ${count}`;
  names.add(name);
  return name;
}

function tag(name: string, attributes: Attributes): string {
  const written = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return `${name}:${written.map(([key, value]) => `${key}=${value}`).join(',')}`;
}

/** A quoted string can have neither quotes nor line ends in it. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\p{Cc}]+/gu, ' ').trim()}"`;
}
