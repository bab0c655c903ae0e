import { ascii, box, fullBox, u8, u16, u32 } from '../../cmaf/boxes.ts';
import { pictureEntry, soundEntry } from '../../cmaf/init-segment.ts';

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
  readonly isEncrypted?: boolean;
}

/** x264, High, 320 x 180, level 1.2, progressive 4:2:0. */
const AVC_CONFIGURATION = Uint8Array.from(
  Buffer.from(
    '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800',
    'hex',
  ),
);
const PICTURE_ENTRY = pictureEntry({
  ...{ width: 320, height: 180, avcConfiguration: AVC_CONFIGURATION },
  ...{ colours: null, pixelAspect: [1, 1] },
});
/** AAC-LC. */
const SOUND_ENTRY = soundEntry({ sampleRate: 48_000, channels: 2, aacConfiguration: u8(0x11, 0x90) });

export const FTYP = box('ftyp', ascii('isom'), u32(0x200), ascii('isom'));

/** `moov`. */
export function filmMoov(film: MadeUpFilm): Uint8Array {
  const movie = fullBox('mvhd', 0, 0, u32(0, 0, film.timescale ?? 1000, 0), Buffer.alloc(80));
  return box('moov', movie, ...film.tracks.map(trackBox));
}

function trackBox(track: MadeUpTrack): Uint8Array {
  const isVideo = track.kind === 'video';
  const matrix = u32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000);
  const media = fullBox('mdhd', 0, 0, u32(0, 0, track.timescale, 0), u16(0x55c4, 0));
  const reference = fullBox('url ', 0, track.isElsewhere === true ? 0 : 1);
  const information = box('minf', box('dinf', fullBox('dref', 0, 0, u32(1), reference)), tableBox(track));
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
    fullBox('tkhd', 0, 1, Buffer.alloc(36), matrix, Buffer.alloc(8)),
    ...(edits === undefined ? [] : [box('edts', fullBox('elst', 0, 0, u32(edits.length), ...edits))]),
    box(
      'mdia',
      media,
      fullBox('hdlr', 0, 0, u32(0), ascii(isVideo ? 'vide' : 'soun'), Buffer.alloc(13)),
      information,
    ),
  );
}

function tableBox(track: MadeUpTrack): Uint8Array {
  const { count, chunkSamples, chunkOffsets, keyframeInterval, compositionOffsets, size } = track;
  const boxes: Record<string, Uint8Array> = {
    stsd: fullBox('stsd', 0, 0, u32(1), entryOf(track)),
    stts: fullBox('stts', 0, 0, u32(1, count, track.duration)),
    stsc: fullBox('stsc', 0, 0, u32(1, 1, chunkSamples, 1)),
    stsz:
      typeof size === 'number'
        ? fullBox('stsz', 0, 0, u32(size, count))
        : fullBox('stsz', 0, 0, u32(0, count), list(size)),
    co64: fullBox('co64', 0, 0, u32(chunkOffsets.length), longList(chunkOffsets)),
  };
  if (keyframeInterval !== undefined) {
    const samples = Array.from(
      { length: Math.ceil(count / keyframeInterval) },
      (_, index) => index * keyframeInterval + 1,
    );
    boxes.stss = fullBox('stss', 0, 0, u32(samples.length), list(samples));
  }
  if (compositionOffsets !== undefined) {
    const pairs = new Int32Array(count * 2).fill(1);
    for (let index = 0; index < count; index++) {
      pairs[index * 2 + 1] = compositionOffsets[index % compositionOffsets.length]!;
    }
    boxes.ctts = fullBox('ctts', 1, 0, u32(count), list(pairs));
  }
  return box('stbl', ...Object.values({ ...boxes, ...track.replace }));
}

function entryOf({ kind, isEncrypted = false }: MadeUpTrack): Uint8Array {
  const entry = Buffer.from(kind === 'video' ? PICTURE_ENTRY : SOUND_ENTRY);
  if (isEncrypted) entry.write(kind === 'video' ? 'encv' : 'enca', 4, 'latin1');
  return entry;
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
