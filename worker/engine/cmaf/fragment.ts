import { box, fullBox, u32, u64 } from './boxes.ts';
import { TRACK_ID } from './init-segment.ts';

/** The samples of one segment, in the order of decoding and as they follow each other in `mdat`. Times in ticks. */
export interface FragmentSamples {
  /** When the first one is decoded. */
  readonly decodeTime: number;
  readonly durations: ArrayLike<number>;
  readonly sizes: ArrayLike<number>;
  /** From decoding to being shown, 32 bits with sign; null: none. */
  readonly compositionOffsets: ArrayLike<number> | null;
  /** 1: decoding can begin here; null: at each of them. */
  readonly sync: ArrayLike<number> | null;
}

/** Depends on nothing; depends on others and is no sync sample (ISO/IEC 14496-12, 8.8.3.1). */
const SYNC = 0x0200_0000;
const NOT_SYNC = 0x0101_0000;
/** Flags of `tfhd`. */
const DEFAULT_BASE_IS_MOOF = 0x02_0000;
const DEFAULT_DURATION = 0x08;
const DEFAULT_FLAGS = 0x20;
/** Flags of `trun`. */
const DATA_OFFSET = 0x01;
const SAMPLE_DURATIONS = 0x100;
const SAMPLE_SIZES = 0x200;
const SAMPLE_FLAGS = 0x400;
const SAMPLE_COMPOSITION_OFFSETS = 0x800;
const MDAT_HEADER_BYTES = 8;

/** `moof` of a segment, and the header of the `mdat` that follows: all of the segment but its samples. */
export function writeFragmentHeader(sequence: number, samples: FragmentSamples): Buffer {
  const { durations, sizes, compositionOffsets, sync } = samples;
  const hasOneDuration = isConstant(durations);
  const isAllSync = sync === null || isConstant(sync);
  const header = fullBox(
    'tfhd',
    0,
    DEFAULT_BASE_IS_MOOF | DEFAULT_FLAGS | (hasOneDuration ? DEFAULT_DURATION : 0),
    u32(TRACK_ID),
    ...(hasOneDuration ? [u32(durations[0]!)] : []),
    u32(sync === null || sync[0] === 1 ? SYNC : NOT_SYNC),
  );
  const flags =
    DATA_OFFSET |
    SAMPLE_SIZES |
    (hasOneDuration ? 0 : SAMPLE_DURATIONS) |
    (isAllSync ? 0 : SAMPLE_FLAGS) |
    (compositionOffsets === null ? 0 : SAMPLE_COMPOSITION_OFFSETS);
  const table = listOf(sizes.length, [
    ...(hasOneDuration ? [] : [(index: number) => durations[index]!]),
    (index: number) => sizes[index]!,
    ...(isAllSync ? [] : [(index: number) => (sync[index] === 1 ? SYNC : NOT_SYNC)]),
    ...(compositionOffsets === null ? [] : [(index: number) => compositionOffsets[index]!]),
  ]);
  const run = fullBox('trun', 1, flags, u32(sizes.length, 0), table);
  const fragment = box(
    'moof',
    fullBox('mfhd', 0, 0, u32(sequence)),
    box('traf', header, fullBox('tfdt', 1, 0, u64(samples.decodeTime)), run),
  );
  // `trun` is the last box of `moof`; after its header, version, flags and count it says where the samples begin.
  fragment.writeUInt32BE(fragment.length + MDAT_HEADER_BYTES, fragment.length - run.length + 16);
  const mdat = box('mdat');
  mdat.writeUInt32BE(MDAT_HEADER_BYTES + sumOf(sizes), 0);
  return Buffer.concat([fragment, mdat]);
}

/** One number of 32 bits a sample and field; numbers with and without sign are the same bits. */
function listOf(count: number, fields: readonly ((index: number) => number)[]): Uint8Array {
  const bytes = new Uint8Array(count * fields.length * 4);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let index = 0; index < count; index++) {
    for (const field of fields) {
      view.setInt32(at, field(index));
      at += 4;
    }
  }
  return bytes;
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let index = 1; index < values.length; index++) if (values[index] !== values[0]) return false;
  return true;
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]!;
  return sum;
}
