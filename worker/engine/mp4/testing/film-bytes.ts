import { box, characters, type Field, fullBox, zeros } from '../write-boxes.ts';

/** A file whose tables are made up, of any length: its media is not there. What is left out is usual. */
export interface MadeUpFilm {
  readonly tracks: readonly MadeUpTrack[];
  /** Ticks a second of edits. */
  readonly timescale?: number;
}

export interface MadeUpTrack {
  readonly kind: 'video' | 'audio';
  readonly timescale: number;
  readonly count: number;
  /** Ticks of each sample. */
  readonly duration: number;
  /** Bytes of each sample; different ones are listed one by one. */
  readonly size: number | ArrayLike<number>;
  /** Samples of each chunk. */
  readonly chunkSamples: number;
  /** Where chunks begin. */
  readonly chunkOffsets: readonly number[];
  /** A keyframe every so many samples. */
  readonly keyframeInterval?: number;
  /** By sample, repeated. */
  readonly compositionOffsets?: readonly number[];
  readonly edits?: readonly { readonly duration: number; readonly mediaTime: number }[];
  /** Boxes in place of those with their type. */
  readonly replace?: Readonly<Record<string, Uint8Array>>;
  readonly isElsewhere?: boolean;
}

/** x264, High, 320 x 180, level 1.2, progressive 4:2:0. */
const AVC_CONFIGURATION = Uint8Array.from(
  Buffer.from(
    '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800',
    'hex',
  ),
);
/** AAC-LC, 48 kHz, stereo. */
const AAC_CONFIGURATION = Uint8Array.of(0x11, 0x90);

export const FTYP = box('ftyp', characters('isom'), [0x200, 4], characters('isom'));

/** `moov`. */
export function filmMoov(film: MadeUpFilm): Uint8Array {
  const movie = fullBox('mvhd', 0, 0, zeros(8), [film.timescale ?? 1000, 4], [0, 4], zeros(80));
  return box('moov', movie, ...film.tracks.map(trackBox));
}

function trackBox(track: MadeUpTrack): Uint8Array {
  const isVideo = track.kind === 'video';
  const matrix: Field[] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000].map((value) => [value, 4]);
  const media = fullBox('mdhd', 0, 0, zeros(8), [track.timescale, 4], [0, 4], [0x55c4, 2], zeros(2));
  const reference = fullBox('url ', 0, track.isElsewhere === true ? 0 : 1);
  const information = box('minf', box('dinf', fullBox('dref', 0, 0, [1, 4], reference)), tableBox(track));
  const edits = track.edits?.map(({ duration, mediaTime }): Uint8Array => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, duration);
    view.setInt32(4, mediaTime);
    view.setUint32(8, 0x1_0000);
    return bytes;
  });
  return box(
    'trak',
    fullBox('tkhd', 0, 1, zeros(36), ...matrix, zeros(8)),
    ...(edits === undefined ? [] : [box('edts', fullBox('elst', 0, 0, [edits.length, 4], ...edits))]),
    box(
      'mdia',
      media,
      fullBox('hdlr', 0, 0, zeros(4), characters(isVideo ? 'vide' : 'soun'), zeros(13)),
      information,
    ),
  );
}

function tableBox(track: MadeUpTrack): Uint8Array {
  const { count, chunkSamples, chunkOffsets, keyframeInterval, compositionOffsets, size } = track;
  const boxes: Record<string, Uint8Array> = {
    stsd: fullBox('stsd', 0, 0, [1, 4], track.kind === 'video' ? pictureEntry() : soundEntry()),
    stts: fullBox('stts', 0, 0, [1, 4], [count, 4], [track.duration, 4]),
    stsc: fullBox('stsc', 0, 0, [1, 4], [1, 4], [chunkSamples, 4], [1, 4]),
    stsz:
      typeof size === 'number'
        ? fullBox('stsz', 0, 0, [size, 4], [count, 4])
        : fullBox('stsz', 0, 0, [0, 4], [count, 4], list(size)),
    co64: fullBox('co64', 0, 0, [chunkOffsets.length, 4], longList(chunkOffsets)),
  };
  if (keyframeInterval !== undefined) {
    const samples = Array.from(
      { length: Math.ceil(count / keyframeInterval) },
      (_, index) => index * keyframeInterval + 1,
    );
    boxes.stss = fullBox('stss', 0, 0, [samples.length, 4], list(samples));
  }
  if (compositionOffsets !== undefined) {
    const pairs = new Int32Array(count * 2).fill(1);
    for (let index = 0; index < count; index++) {
      pairs[index * 2 + 1] = compositionOffsets[index % compositionOffsets.length]!;
    }
    boxes.ctts = fullBox('ctts', 1, 0, [count, 4], list(pairs));
  }
  return box('stbl', ...Object.values({ ...boxes, ...track.replace }));
}

function pictureEntry(): Uint8Array {
  const fields: Field[] = [zeros(6), [1, 2], zeros(16), [320, 2], [180, 2], zeros(50)];
  return box('avc1', ...fields, box('avcC', AVC_CONFIGURATION));
}

function soundEntry(): Uint8Array {
  const specific = Uint8Array.of(5, AAC_CONFIGURATION.length, ...AAC_CONFIGURATION);
  const decoder = Uint8Array.of(4, 13 + specific.length, 0x40, 0x15, ...zeros(11), ...specific);
  const stream = Uint8Array.of(3, 3 + decoder.length, 0, 1, 0, ...decoder);
  return box(
    'mp4a',
    zeros(6),
    [1, 2],
    zeros(8),
    [2, 2],
    [16, 2],
    zeros(4),
    [48_000 * 0x1_0000, 4],
    fullBox('esds', 0, 0, stream),
  );
}

function list(values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < values.length; index++) view.setInt32(index * 4, values[index]!);
  return bytes;
}

function longList(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setBigUint64(index * 8, BigInt(value));
  return bytes;
}
