import type { SegmentPlan } from '../../../lib/worker-api/tasks.ts';
import { presentationTime, type SampleTable } from '../mp4/sample-table.ts';
import { DURATION_TICKS_MAX, SEGMENT_SECONDS, SEGMENT_SECONDS_MAX, SEGMENTS_MAX } from './limits.ts';
import type { ShownSpan } from './place-track.ts';

/** How a track is cut: its samples and its time. */
export interface SampleCuts {
  /** The first sample of each segment, and the number of samples. */
  readonly samples: readonly number[];
  /** Where segments begin and the last one ends, in ticks from the track's first picture on. */
  readonly boundaries: readonly number[];
}

/**
 * Cuts before keyframes, so that each segment can be decoded alone and its pictures are shown before those of the next
 * one. Null: keyframes are too rare, or there are more segments than a plan may have. `span` is when the table's samples
 * are shown.
 */
export function cutAtKeyframes(table: SampleTable, timescale: number, span: ShownSpan): SampleCuts | null {
  const samples: number[] = [];
  const boundaries: number[] = [];
  for (const sample of closedKeyframes(table)) {
    const time = presentationTime(table, sample) - span.start;
    if (samples.length === 0) {
      if (sample !== 0 || time !== 0) return null;
    } else if (time - boundaries.at(-1)! < SEGMENT_SECONDS * timescale) continue;
    samples.push(sample);
    boundaries.push(time);
  }
  if (samples.length === 0) return null;
  samples.push(table.count);
  boundaries.push(span.end - span.start);
  return isPlan(boundaries, timescale) ? { samples, boundaries } : null;
}

/** Keyframes before which everything is shown earlier, and after which nothing is. */
function closedKeyframes(table: SampleTable): number[] {
  const { count, sync } = table;
  const found: number[] = [];
  const latestBefore = new Float64Array(count);
  let latest = -Infinity;
  for (let index = 0; index < count; index++) {
    latestBefore[index] = latest;
    latest = Math.max(latest, presentationTime(table, index));
  }
  let earliestAfter = Infinity;
  for (let index = count - 1; index >= 0; index--) {
    const time = presentationTime(table, index);
    const isKeyframe = sync === null || sync[index] === 1;
    if (isKeyframe && latestBefore[index]! < time && earliestAfter > time) found.push(index);
    earliestAfter = Math.min(earliestAfter, time);
  }
  return found.reverse();
}

/** Boundaries when pictures are shown, wherever keyframes are; null: there are more segments than a plan may have. */
export function cutAtPictures(table: SampleTable, timescale: number, span: ShownSpan): number[] | null {
  const times = new Float64Array(table.count);
  for (let index = 0; index < table.count; index++)
    times[index] = presentationTime(table, index) - span.start;
  times.sort();
  const boundaries = [0];
  for (const time of times) {
    if (time - boundaries.at(-1)! >= SEGMENT_SECONDS * timescale) boundaries.push(time);
  }
  boundaries.push(span.end - span.start);
  return isPlan(boundaries, timescale) ? boundaries : null;
}

/**
 * A plan without knowing where pictures are: every few seconds at a multiple of a picture's duration. Rational, so that
 * boundaries do not drift away from pictures. `frameRate` null: there is one picture, or nobody knows.
 */
export function cutByDuration(
  durationSeconds: number,
  timescale: number,
  frameRate: { readonly num: number; readonly den: number } | null,
): SegmentPlan {
  const end = Math.max(1, Math.round(durationSeconds * timescale));
  const { num, den } = frameRate ?? { num: 1, den: 1 };
  // Longer than usual where a film is so long that there were too many.
  const seconds = Math.max(SEGMENT_SECONDS, (durationSeconds / SEGMENTS_MAX) * 1.01);
  const pictures = Math.max(1, Math.ceil((seconds * num) / den));
  const boundaries = [0];
  for (let count = 1; ; count++) {
    const time = Math.round((count * pictures * den * timescale) / num);
    // A rest of less than half a second is no segment of its own.
    if (time > end - timescale / 2) break;
    boundaries.push(time);
  }
  boundaries.push(end);
  return { timescale, boundaries };
}

function isPlan(boundaries: readonly number[], timescale: number): boolean {
  if (boundaries.length > SEGMENTS_MAX) return false;
  const longest = Math.min(SEGMENT_SECONDS_MAX * timescale, DURATION_TICKS_MAX);
  return boundaries.every((time, index) => {
    const duration = index === 0 ? 1 : time - boundaries[index - 1]!;
    return duration > 0 && duration <= longest;
  });
}

/** Where sound is cut: the first frame of each segment, and how long segments last. */
export interface SoundCuts {
  readonly samples: readonly number[];
  /** When segments begin and the last one ends: from time 0 on. */
  readonly boundaries: readonly number[];
}

/**
 * Cuts sound at the frames that are nearest to the wanted times, and goes on every `stepTicks` where those end before the
 * sound does. `starts` are when frames are heard, ascending, one more than frames: the last is the end.
 */
export function cutSound(starts: Float64Array, wanted: Iterable<number>, stepTicks: number): SoundCuts {
  const samples = [0];
  const boundaries = [0];
  const frames = starts.length - 1;
  let frame = 0;
  let lastWanted = 0;
  const cutNear = (time: number): void => {
    while (frame < frames && starts[frame]! < time) frame += 1;
    const isEarlierNearer = frame > 0 && time - starts[frame - 1]! < starts[frame]! - time;
    const nearest = isEarlierNearer ? frame - 1 : frame;
    lastWanted = time;
    if (nearest <= samples.at(-1)! || nearest >= frames) return;
    samples.push(nearest);
    boundaries.push(starts[nearest]!);
  };
  for (const time of wanted) if (time > 0) cutNear(time);
  // What is left after the pictures: none is so short that it would not be worth a segment.
  // Each turn goes on by a frame at least, however far apart frames are.
  while (starts[frames]! - lastWanted > stepTicks * 1.5 && samples.at(-1)! + 1 < frames) {
    cutNear(Math.max(lastWanted + stepTicks, starts[samples.at(-1)! + 1]!));
  }
  samples.push(frames);
  boundaries.push(starts[frames]!);
  return { samples, boundaries };
}
