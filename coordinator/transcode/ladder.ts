import { shownSize } from '../../lib/worker-api/shown-size.ts';
import type { Probe, VideoRung, VideoTrack } from '../../lib/worker-api/tasks.ts';

/*
 * Which renditions a title gets, and how they are encoded. The rates are chosen so that the renditions of a 1080p source
 * of 6 Mbit/s together stay below 1.6 times its size, even where the source itself is none of them.
 */

interface Step {
  /** Of the shorter side, pixels. */
  readonly short: number;
  readonly crf: number;
  /** Bits a second at up to 30 pictures a second. */
  readonly bitRateMax: number;
  readonly frameRateMax: number;
  /** Of x264. The faster one has a lower rate factor and more bits, with which it looks the same as the other one did. */
  readonly preset: 'superfast' | 'veryfast';
}

const STEPS: readonly Step[] = [
  // Nothing larger makes up for what is lost here, and there is no room for more bytes: this one takes its time.
  { short: 1080, crf: 23, bitRateMax: 4_500_000, frameRateMax: 60, preset: 'veryfast' },
  { short: 720, crf: 22.5, bitRateMax: 2_850_000, frameRateMax: 60, preset: 'superfast' },
  { short: 480, crf: 23.5, bitRateMax: 1_300_000, frameRateMax: 30, preset: 'superfast' },
  { short: 360, crf: 23.5, bitRateMax: 800_000, frameRateMax: 30, preset: 'superfast' },
  { short: 240, crf: 24.5, bitRateMax: 400_000, frameRateMax: 30, preset: 'superfast' },
];
/** Whoever has a larger source than this has better ones than the smallest. */
const SMALLEST_STEP_SOURCE_MAX = 480;
/** A rung nearly as large as the source would look like it and cost as much. */
const BELOW_SOURCE_SHARE = 0.9;
/** A source up to so many times the largest step keeps its own size. */
const TOP_STRETCH_MAX = 1.3;

/**
 * The rungs that are encoded, the largest first. `isPlayable`: the source itself is a rendition, so only smaller ones are
 * made; otherwise the first has the source's own size. Nothing is made larger than it is.
 */
export function rungsOf(video: VideoTrack, isPlayable: boolean): VideoRung[] {
  const size = shownSize(video);
  const short = Math.min(size.width, size.height);
  const steps = STEPS.filter((step) => step.short !== 240 || short <= SMALLEST_STEP_SOURCE_MAX);
  if (isPlayable) {
    const below = steps.filter((step) => step.short < short * BELOW_SOURCE_SHARE);
    return below.map((step) => rungOf(video, size, step.short, step));
  }
  const largest = STEPS[0]!;
  if (short > largest.short * TOP_STRETCH_MAX) {
    return steps.map((step) => rungOf(video, size, step.short, step));
  }
  // The one that the source is nearest to from below, or of those that are smaller still, the smallest.
  const top = STEPS.find((step) => step.short <= short) ?? STEPS.at(-1)!;
  const below = steps.filter((step) => step.short < top.short);
  return [rungOf(video, size, short, top), ...below.map((step) => rungOf(video, size, step.short, step))];
}

/** `short` is what the shorter side is going to have. */
function rungOf(
  video: VideoTrack,
  { width, height }: { readonly width: number; readonly height: number },
  short: number,
  step: Step,
): VideoRung {
  const scale = short / Math.min(width, height);
  const frameRateMax = frameRateOf(video.frameRate, step.frameRateMax);
  return {
    name: `${even(short, Math.min(width, height))}p`,
    width: even(width * scale, width),
    height: even(height * scale, height),
    frameRateMax,
    crf: step.crf,
    bitRateMax: Math.round(step.bitRateMax * (frameRateMax > 31 ? 1.4 : 1) * (short / step.short) ** 1.5),
    preset: step.preset,
  };
}

/** Every second, third ... picture, so that motion stays even; a little more than the limit is let be. */
function frameRateOf(frameRate: number | null, max: number): number {
  if (frameRate === null) return max;
  const divisor = Math.ceil(frameRate / (max + 1));
  return divisor <= 1 ? max + 1 : Math.max(1, Math.round((frameRate / divisor) * 1000) / 1000);
}

/** The nearest that encoders take and that is not above what the source has. */
function even(pixels: number, sourcePixels: number): number {
  const max = Math.min(65_534, Math.floor(sourcePixels / 2) * 2);
  return Math.max(2, Math.min(max, Math.round(pixels / 2) * 2));
}

/** Which audio tracks are made playable, and how: the first ones, in stereo at most. */
export function audioEncodings(
  probe: Probe,
  tracksMax: number,
): { readonly track: number; readonly channels: number; readonly bitRate: number }[] {
  return probe.audio.slice(0, tracksMax).map(({ index, channels }) => ({
    track: index,
    channels: Math.min(2, channels),
    bitRate: channels === 1 ? 80_000 : 128_000,
  }));
}
