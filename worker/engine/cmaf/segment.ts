import { box, fullBox, u32, u64 } from './boxes.ts';

/** A picture or a frame of sound, in the order of decoding. Times in ticks of the track's timescale. */
export interface Sample {
  readonly bytes: Uint8Array;
  /** When it is presented. */
  readonly time: number;
  readonly isSync: boolean;
}

const TRACK_ID = 1;
/** Depends on nothing; depends on others and is no sync sample (ISO/IEC 14496-12, 8.8.3.1). */
const SYNC = 0x02000000;
const NOT_SYNC = 0x01010000;

/**
 * A CMAF segment that is presented from `start` until `end`, all of it and nothing else. Decoding times are the times of
 * presentation in ascending order: so a segment begins to be decoded exactly at `start`, too, wherever it was made, and
 * pictures that others refer to are presented after, others before their decoding time. Edit lists are not needed, which
 * browsers pass over. Gives pieces to be written one after another.
 *
 * The samples must be self-contained: the first one presented at `start`, and decodable on its own.
 */
export function makeSegment(
  sequence: number,
  start: number,
  end: number,
  samples: readonly Sample[],
): Uint8Array[] {
  const times = samples.map(({ time }) => time).sort((a, b) => a - b);
  if (times[0] !== start || samples[0]?.time !== start || times.at(-1)! >= end)
    throw new RangeError(
      `The samples of a segment from ${start} to ${end} begin at ${times[0]}, end at ${times.at(-1)}`,
    );

  const table = Buffer.alloc(samples.length * 16);
  for (const [index, sample] of samples.entries()) {
    const time = times[index]!;
    table.writeUInt32BE((times[index + 1] ?? end) - time, index * 16);
    table.writeUInt32BE(sample.bytes.length, index * 16 + 4);
    table.writeUInt32BE(sample.isSync ? SYNC : NOT_SYNC, index * 16 + 8);
    table.writeInt32BE(sample.time - time, index * 16 + 12);
  }
  return assemble(sequence, start, samples, fullBox('tfhd', 0, 0x020000, u32(TRACK_ID)), 0xf01, table);
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
