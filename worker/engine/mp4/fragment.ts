import { OTHER_SAMPLE_FLAGS, SYNC_SAMPLE_FLAGS, TRACK_ID } from './init-segment.ts';
import { box, fullBox } from './write-boxes.ts';

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

const DEFAULT_BASE_IS_MOOF = 0x02_0000;
const DEFAULT_DURATION = 0x08;
const DEFAULT_FLAGS = 0x20;
const DATA_OFFSET = 0x01;
const SAMPLE_DURATIONS = 0x100;
const SAMPLE_SIZES = 0x200;
const SAMPLE_FLAGS = 0x400;
const SAMPLE_COMPOSITION_OFFSETS = 0x800;
const MDAT_HEADER_BYTES = 8;

/** `moof` of a segment, and the header of the `mdat` that follows: all of the segment but its samples. */
export function writeFragmentHeader(sequence: number, samples: FragmentSamples): Uint8Array {
  const { durations, sizes, compositionOffsets, sync } = samples;
  const hasOneDuration = isConstant(durations);
  const isAllSync = sync === null || isConstant(sync);
  const header = fullBox(
    'tfhd',
    0,
    DEFAULT_BASE_IS_MOOF | DEFAULT_FLAGS | (hasOneDuration ? DEFAULT_DURATION : 0),
    [TRACK_ID, 4],
    ...(hasOneDuration ? ([[durations[0]!, 4]] as const) : []),
    [sync === null || sync[0] === 1 ? SYNC_SAMPLE_FLAGS : OTHER_SAMPLE_FLAGS, 4],
  );
  const decodeTime = fullBox('tfdt', 1, 0, [samples.decodeTime, 8]);
  const flags =
    DATA_OFFSET |
    SAMPLE_SIZES |
    (hasOneDuration ? 0 : SAMPLE_DURATIONS) |
    (isAllSync ? 0 : SAMPLE_FLAGS) |
    (compositionOffsets === null ? 0 : SAMPLE_COMPOSITION_OFFSETS);
  const fields = [
    ...(hasOneDuration ? [] : [(index: number) => durations[index]!]),
    (index: number) => sizes[index]!,
    ...(isAllSync ? [] : [(index: number) => (sync[index] === 1 ? SYNC_SAMPLE_FLAGS : OTHER_SAMPLE_FLAGS)]),
    ...(compositionOffsets === null ? [] : [(index: number) => compositionOffsets[index]!]),
  ];
  const run = fullBox('trun', 1, flags, [sizes.length, 4], [0, 4], listOf(sizes.length, fields));
  const fragment = box('moof', fullBox('mfhd', 0, 0, [sequence, 4]), box('traf', header, decodeTime, run));
  return withMdatHeader(fragment, run.length, samples);
}

/** One number of 32 bits a sample and field; setInt32 and setUint32 write the same bits. */
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

function withMdatHeader(fragment: Uint8Array, runLength: number, { sizes }: FragmentSamples): Uint8Array {
  const bytes = new Uint8Array(fragment.length + MDAT_HEADER_BYTES);
  bytes.set(fragment);
  const view = new DataView(bytes.buffer);
  // `trun` is the last box of `moof`; after its header, version, flags and count it says where the samples begin.
  view.setUint32(fragment.length - runLength + 16, bytes.length);
  let mediaBytes = MDAT_HEADER_BYTES;
  for (let index = 0; index < sizes.length; index++) mediaBytes += sizes[index]!;
  bytes.set(box('mdat'), fragment.length);
  view.setUint32(fragment.length, mediaBytes);
  return bytes;
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let index = 1; index < values.length; index++) if (values[index] !== values[0]) return false;
  return true;
}
