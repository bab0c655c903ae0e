import { AV_NOPTS_VALUE } from 'node-av/constants';
import { Packet } from 'node-av/lib';
import type { Probe, SegmentPlan, Task, TaskOf, VideoRung } from '../../lib/worker-api/tasks.ts';
import { openSource } from '../../worker/engine/libav/open-source.ts';
import { fileSource } from '../../worker/engine/testing/memory-context.ts';
import type { BenchFilm } from './transcode-part.ts';

const SEGMENT_SECONDS_MIN = 4;
export const AUDIO_BIT_RATE = 128_000;
/** The ladder that is measured: 720p, 480p, 360p, as `ladder.ts` has them ... */
export const RUNGS: readonly VideoRung[] = [
  { name: '720p', width: 1280, height: 720, crf: 22.5, bitRateMax: 2_850_000 },
  { name: '480p', width: 854, height: 480, crf: 23.5, bitRateMax: 1_300_000 },
  { name: '360p', width: 640, height: 360, crf: 23.5, bitRateMax: 800_000 },
].map((rung) => ({ ...rung, frameRateMax: 60, preset: 'superfast' }));

/** ... and as it had them before it was made fast. */
export const RUNGS_BEFORE: readonly VideoRung[] = RUNGS.map((rung, index) => ({
  ...{ ...rung, preset: 'veryfast' },
  ...{ crf: rung.crf + 0.5, bitRateMax: [2_500_000, 1_200_000, 700_000][index]! },
}));

export interface FilmPlan {
  readonly probe: Probe;
  readonly plan: SegmentPlan;
}

/** Reads a film's keyframes and cuts it at them as an inspection does. */
export async function planFilm(film: BenchFilm): Promise<FilmPlan> {
  await using reader = await fileSource(film.path);
  await using source = await openSource(reader, new AbortController().signal);
  const stream = source.video!;
  const timescale = stream.timeBase.den;
  source.select(stream);
  using packet = new Packet();
  packet.alloc();
  const times: number[] = [];
  const keyframes: number[] = [];
  while (await source.readPacket(packet)) {
    if (packet.pts === AV_NOPTS_VALUE) continue;
    times.push(source.timeline.toTicks({ ticks: packet.pts, base: stream.timeBase }, timescale));
    if (packet.isKeyframe) keyframes.push(times.at(-1)!);
  }
  const frameRate = stream.avgFrameRate.num / stream.avgFrameRate.den;
  const end = Math.round(Math.max(...times) + timescale / frameRate);
  const boundaries = [0];
  for (const keyframe of keyframes)
    if (keyframe - boundaries.at(-1)! >= SEGMENT_SECONDS_MIN * timescale) boundaries.push(keyframe);
  // The benchmark's own figures do not hang on what an inspection would say beyond this.
  const video = {
    codec: 'h264',
    profile: null,
    width: stream.codecpar.width,
    height: stream.codecpar.height,
    rotation: 0 as const,
    pixelAspect: 1,
    frameRate,
    isVariableFrameRate: false,
    bitDepth: 8,
    range: 'sdr' as const,
    bitRate: null,
  };
  const probe = {
    container: 'mov',
    durationSeconds: end / timescale,
    sizeBytes: film.sizeBytes,
    bitRate: null,
    video,
    audio: [],
  };
  return { probe, plan: { timescale, boundaries: [...boundaries, end] } };
}

/** The film cut into so many pieces of whole segments. */
export function piecesOf(film: FilmPlan, count: number): TaskOf<'encode'>[] {
  const segments = film.plan.boundaries.length - 1;
  if (segments < count) throw new Error(`The film has ${segments} segments; ${count} are needed at least.`);
  const begins = Array.from({ length: count + 1 }, (_, index) => Math.round((index * segments) / count));
  return begins.slice(0, -1).map((first, index) => encodeTask(film, first, begins[index + 1]! - first));
}

/** How long the pieces among the tasks are. */
export function piecesLine({ plan }: FilmPlan, tasks: readonly Task[]): string {
  const lengths = tasks.flatMap((task) => {
    if (task.kind !== 'encode') return [];
    const { firstSegment, segmentCount } = task;
    const ticks = plan.boundaries[firstSegment + segmentCount]! - plan.boundaries[firstSegment]!;
    return [(ticks / plan.timescale).toFixed(1)];
  });
  return `Pieces of ${lengths.join(', ')} s.`;
}

function encodeTask({ probe, plan }: FilmPlan, firstSegment: number, segmentCount: number): TaskOf<'encode'> {
  return {
    kind: 'encode',
    ...identity(probe),
    probe,
    plan,
    firstSegment,
    segmentCount,
    rungs: [...RUNGS],
  };
}

export function audioTask({ probe, plan }: FilmPlan): TaskOf<'audio'> {
  return { kind: 'audio', ...identity(probe), probe, plan, track: 0, channels: 2, bitRate: AUDIO_BIT_RATE };
}

function identity(probe: Probe) {
  return { taskId: crypto.randomUUID(), videoId: crypto.randomUUID(), sourceBytes: probe.sizeBytes };
}
