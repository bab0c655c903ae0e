import { box, characters, type Field, fullBox, zeros } from './write-boxes.ts';

/** What the initialization segment of one track says. */
export interface InitOptions {
  readonly kind: 'video' | 'audio';
  /** Ticks a second. */
  readonly timescale: number;
  /** ISO 639-2; null: not told. */
  readonly language: string | null;
  /** How samples are coded: an entry of `stsd`. */
  readonly sampleEntry: Uint8Array;
  /** Ticks by which fragments show all samples later than they are to be shown, so that none has to be shown before it is decoded. */
  readonly delay: number;
  /** In square pixels; 0 of sound. */
  readonly width: number;
  readonly height: number;
}

/** Of `tkhd` in fragments; there is one track. */
export const TRACK_ID = 1;
/** As `trex`, `tfhd` and `trun` have them: a sample at which decoding can begin, and one that needs others. */
export const SYNC_SAMPLE_FLAGS = 0x0200_0000;
export const OTHER_SAMPLE_FLAGS = 0x0101_0000;

const ENABLED_IN_MOVIE = 3;
const FIXED_ONE = 0x1_0000;
const IDENTITY = [FIXED_ONE, 0, 0, 0, FIXED_ONE, 0, 0, 0, 0x4000_0000].map((value): Field => [value, 4]);

/**
 * The CMAF header of a track: `ftyp` and a `moov` without samples. An edit list takes back the delay. Browsers know this one
 * kind of it; the other way, negative offsets in fragments, FFmpeg shows late.
 */
export function writeInitSegment(options: InitOptions): Uint8Array {
  const brands = ['iso6', 'mp41', 'cmfc'].map(characters);
  const ftyp = box('ftyp', characters('iso6'), [0, 4], ...brands);
  const trex = fullBox('trex', 0, 0, [TRACK_ID, 4], [1, 4], [0, 4], [0, 4], [0, 4]);
  const moov = box('moov', movieHeader(options.timescale), trackBox(options), box('mvex', trex));
  const bytes = new Uint8Array(ftyp.length + moov.length);
  bytes.set(ftyp);
  bytes.set(moov, ftyp.length);
  return bytes;
}

function movieHeader(timescale: number): Uint8Array {
  const times: Field[] = [zeros(8), [timescale, 4], [0, 4]];
  const shown: Field[] = [[FIXED_ONE, 4], [0x100, 2], zeros(10), ...IDENTITY, zeros(24)];
  return fullBox('mvhd', 0, 0, ...times, ...shown, [TRACK_ID + 1, 4]);
}

function trackBox(options: InitOptions): Uint8Array {
  const isVideo = options.kind === 'video';
  const header = fullBox(
    'tkhd',
    0,
    ENABLED_IN_MOVIE,
    ...([zeros(8), [TRACK_ID, 4], zeros(4), [0, 4], zeros(8), zeros(4)] as const),
    ...([[isVideo ? 0 : 0x100, 2], zeros(2), ...IDENTITY] as const),
    ...([
      [options.width * FIXED_ONE, 4],
      [options.height * FIXED_ONE, 4],
    ] as const),
  );
  const mediaHeader = fullBox(
    'mdhd',
    0,
    0,
    zeros(8),
    [options.timescale, 4],
    [0, 4],
    [packLanguage(options.language), 2],
    [0, 2],
  );
  const handler = fullBox('hdlr', 0, 0, [0, 4], characters(isVideo ? 'vide' : 'soun'), zeros(12), [0, 1]);
  const kindHeader = isVideo ? fullBox('vmhd', 0, 1, zeros(8)) : fullBox('smhd', 0, 0, zeros(4));
  const references = box('dinf', fullBox('dref', 0, 0, [1, 4], fullBox('url ', 0, 1)));
  const tables = box(
    'stbl',
    fullBox('stsd', 0, 0, [1, 4], options.sampleEntry),
    fullBox('stts', 0, 0, [0, 4]),
    fullBox('stsc', 0, 0, [0, 4]),
    fullBox('stsz', 0, 0, [0, 4], [0, 4]),
    fullBox('stco', 0, 0, [0, 4]),
  );
  const edit = fullBox('elst', 0, 0, [1, 4], [0, 4], [options.delay, 4], [FIXED_ONE, 4]);
  const edits = options.delay === 0 ? [] : [box('edts', edit)];
  return box(
    'trak',
    header,
    ...edits,
    box('mdia', mediaHeader, handler, box('minf', kindHeader, references, tables)),
  );
}

function packLanguage(language: string | null): number {
  const letters = language !== null && /^[a-z]{3}$/.test(language) ? language : 'und';
  return [...letters].reduce((packed, letter) => packed * 32 + letter.charCodeAt(0) - 0x60, 0);
}
