import { writeFragmentHeader } from './fragment.ts';

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

/**
 * A CMAF segment that is presented from `start` until `end`, all of it and nothing else. Gives pieces to be written one
 * after another. The samples must be self-contained: the first one is presented at `start` and decodable on its own.
 */
export function makeSegment(segment: SegmentOfSamples): Uint8Array[] {
  const { sequence, start, end, samples } = segment;
  const decodeTimes = decodeTimesOf(segment);
  const header = writeFragmentHeader(sequence, {
    decodeTime: start,
    durations: decodeTimes.map((time, index) => (decodeTimes[index + 1] ?? end) - time),
    sizes: samples.map(({ bytes }) => bytes.length),
    compositionOffsets: samples.map(({ time }, index) => time - decodeTimes[index]!),
    sync: samples.map(({ isSync }) => (isSync ? 1 : 0)),
  });
  return [header, ...samples.map(({ bytes }) => bytes)];
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
  const header = writeFragmentHeader(sequence, {
    decodeTime: start,
    durations: frames.map(() => frameTicks),
    sizes: frames.map(({ length }) => length),
    compositionOffsets: null,
    sync: null,
  });
  return [header, ...frames];
}
