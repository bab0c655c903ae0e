import { box, fullBox, u32, u64 } from './boxes.ts';

/** A picture or a frame of sound, in the order of decoding. Times in ticks of the track's timescale. */
export interface Sample {
  readonly bytes: Uint8Array;
  /** When it is presented. */
  readonly time: number;
  readonly isSync: boolean;
}

export interface SegmentOfSamples {
  /** From 1 on, ascending through the rendition. */
  readonly sequence: number;
  readonly start: number;
  readonly end: number;
  readonly samples: readonly Sample[];
}

const TRACK_ID = 1;
/** Depends on nothing; depends on others and is no sync sample (ISO/IEC 14496-12, 8.8.3.1). */
const SYNC = 0x02000000;
const NOT_SYNC = 0x01010000;

/**
 * A CMAF segment that is presented from `start` until `end`, all of it and nothing else. Gives pieces to be written one
 * after another. The samples must be self-contained: the first one is presented at `start` and decodable on its own.
 */
export function makeSegment(segment: SegmentOfSamples): Uint8Array[] {
  const { sequence, start, end, samples } = segment;
  const decodeTimes = decodeTimesOf(segment);
  const table = Buffer.alloc(samples.length * 16);
  for (const [index, sample] of samples.entries()) {
    const time = decodeTimes[index]!;
    table.writeUInt32BE((decodeTimes[index + 1] ?? end) - time, index * 16);
    table.writeUInt32BE(sample.bytes.length, index * 16 + 4);
    table.writeUInt32BE(sample.isSync ? SYNC : NOT_SYNC, index * 16 + 8);
    table.writeInt32BE(sample.time - time, index * 16 + 12);
  }
  return assemble(sequence, start, samples, fullBox('tfhd', 0, 0x020000, u32(TRACK_ID)), 0xf01, table);
}

/**
 * When samples are decoded: the first one when it is presented, so that a segment's times begin at `start` for every
 * reader, whether it goes by decoding or by presentation; the others no later than they are presented. Pictures that
 * are stored before others that are shown earlier need a head start for that, which is had by letting the first few
 * follow a tick apart. The usual ways are worse: browsers pass over edit lists, and FFmpeg shifts what has negative offsets.
 */
function decodeTimesOf({ start, end, samples }: SegmentOfSamples): number[] {
  const shown = samples.map(({ time }) => time).sort((a, b) => a - b);
  if (shown[0] !== start || samples[0]?.time !== start || shown.at(-1)! >= end)
    throw new RangeError(
      `The samples of a segment from ${start} to ${end} begin at ${shown[0]}, end at ${shown.at(-1)}`,
    );
  const headStart = samples.reduce((most, { time }, index) => Math.max(most, shown[index]! - time), 0);
  const times = shown.map((time, index) => Math.max(start + index, time - headStart));
  // Ticks as coarse as pictures leave no room; offsets are then negative.
  return samples.every(({ time }, index) => times[index]! <= time) ? times : shown;
}

/** The same of sound, whose frames all last `frameTicks` and follow one another without a gap from `start` on. */
export function makeAudioSegment(
  sequence: number,
  start: number,
  frameTicks: number,
  frames: readonly Uint8Array[],
): Uint8Array[] {
  const table = u32(...frames.map(({ length }) => length));
  const header = fullBox('tfhd', 0, 0x020028, u32(TRACK_ID, frameTicks, SYNC));
  const samples = frames.map((bytes) => ({ bytes }));
  return assemble(sequence, start, samples, header, 0x201, table);
}

function assemble(
  sequence: number,
  start: number,
  samples: readonly { readonly bytes: Uint8Array }[],
  header: Buffer,
  runFlags: number,
  table: Buffer,
): Uint8Array[] {
  const dataBytes = samples.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const fragment = (dataOffset: number) =>
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(sequence)),
      box(
        'traf',
        header,
        fullBox('tfdt', 1, 0, u64(start)),
        fullBox('trun', 1, runFlags, u32(samples.length, dataOffset), table),
      ),
    );
  const moofBytes = fragment(0).length;
  const mdat = Buffer.alloc(8);
  mdat.writeUInt32BE(dataBytes + 8, 0);
  mdat.write('mdat', 4, 'latin1');
  return [fragment(moofBytes + 8), mdat, ...samples.map(({ bytes }) => bytes)];
}
