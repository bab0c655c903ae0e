import type {
  MadeAudio,
  MadeVideo,
  Probe,
  ResultOf,
  SegmentPlan,
  VideoRung,
} from '../../lib/worker-api/tasks.ts';
import type { Plan, PlannedRendition, PlannedTask } from './job.ts';
import { audioEncodings, rungsOf } from './ladder.ts';
import { AUDIO_TRACKS_MAX, PIECE_SECONDS_MAX, PIECE_SECONDS_MIN, PIECES_AIM } from './limits.ts';

/*
 * Decides what comes next for a video. Nothing here reads or writes anything: the same results lead to the same plan.
 */

/** In which order tasks are taken; within each, videos that came earlier and are shorter go first. */
const BANDS = ['inspect', 'copy', 'first', 'early', 'rungs', 'late'] as const;
type Band = (typeof BANDS)[number];

/** More than any number of seconds that is added to it. */
const BAND_WIDTH = 1e11;
/** What nobody waits for comes after everything else. */
const IDLE_BAND = BANDS.length;
/** Of shorter videos the pictures come before the higher rungs. */
const SHORT_SECONDS = 600;

/** What the order of a video's tasks depends on. */
export interface Rank {
  /** When the job was made, seconds since the epoch. */
  readonly createdAtS: number;
  readonly durationSeconds: number;
  readonly isUrgent: boolean;
}

/** Lower ones first. A long video waits behind shorter ones that come later, but not behind those that come much later. */
export function priorityOf(band: Band, { createdAtS, durationSeconds, isUrgent }: Rank): number {
  const place = BANDS.indexOf(band) + (isUrgent ? 0 : IDLE_BAND);
  return place * BAND_WIDTH + Math.round(createdAtS + durationSeconds);
}

/** What a job begins with. */
export function planInspection(rank: Omit<Rank, 'durationSeconds'>): PlannedTask {
  const priority = priorityOf('inspect', { ...rank, durationSeconds: 0 });
  return { spec: { kind: 'inspect' }, renditions: [], priority, weight: 0.5 };
}

/**
 * What follows from an inspection. Where the source is not to stay, what is played out of it is copied as well, in order to
 * take its place.
 */
export function planAfterInspect(
  result: ResultOf<'inspect'>,
  rank: Rank,
  { dropsSource }: { readonly dropsSource: boolean },
): Plan {
  const { probe, plan, video, audio, copyable } = result;
  const plans: Plan[] = [made(video, audio), planPictures(probe, rank)];
  const playable = new Set([...audio.map(({ track }) => track), ...copyable.audio]);
  plans.push(planAudio(probe, playable, rank));
  const isVirtual = (track: number) => audio.some((one) => one.track === track);
  const copiesVideo = video === null ? copyable.video : dropsSource;
  const copiedAudio = [...playable].filter((track) => dropsSource || !isVirtual(track));
  if (copiesVideo || copiedAudio.length > 0) {
    const spec = { kind: 'copy' as const, video: copiesVideo, audio: copiedAudio };
    const weight = 0.5 + probe.durationSeconds / 200;
    plans.push(onlyTask({ spec, renditions: [], priority: priorityOf('copy', rank), weight }));
  }
  // A copy says itself where its segments begin, and the others have to follow.
  if (!copiesVideo && plan !== null) plans.push(planRungs(probe, plan, video !== null, rank));
  return joined(plans);
}

/** What follows from a copy. */
export function planAfterCopy(
  result: ResultOf<'copy'>,
  inspected: { readonly probe: Probe; readonly plan: SegmentPlan | null },
  rank: Rank,
): Plan {
  const { video, audio, plan } = result;
  const plans = [made(video, audio)];
  // Without pictures of its own there was a plan before, and the rungs with it.
  if (video !== null && plan !== null) plans.push(planRungs(inspected.probe, plan, true, rank));
  return joined(plans);
}

/** What is encoded of a source whose own pictures, or sound, could not be copied. */
export function planInsteadOfCopy(
  copy: { readonly video: boolean; readonly audio: readonly number[] },
  { probe, plan }: { readonly probe: Probe; readonly plan: SegmentPlan | null },
  rank: Rank,
): Plan {
  // Without a plan nobody knows where to cut.
  if (copy.video && plan === null) return NOTHING;
  const others = probe.audio.map(({ index }) => index).filter((track) => !copy.audio.includes(track));
  const plans = [planAudio(probe, new Set(others), rank)];
  if (copy.video && plan !== null) plans.push(planRungs(probe, plan, false, rank));
  return joined(plans);
}

/** Runs of segments, each one piece: of about `seconds` or a little more, and none of much less. */
export function piecesOf(
  { timescale, boundaries }: SegmentPlan,
  durationSeconds: number,
): { readonly firstSegment: number; readonly segmentCount: number }[] {
  const aim = Math.min(PIECE_SECONDS_MAX, Math.max(PIECE_SECONDS_MIN, durationSeconds / PIECES_AIM));
  const end = boundaries.at(-1)!;
  const pieces: { firstSegment: number; segmentCount: number }[] = [];
  let first = 0;
  for (let next = 1; next < boundaries.length; next++) {
    const length = (boundaries[next]! - boundaries[first]!) / timescale;
    const rest = (end - boundaries[next]!) / timescale;
    const isLast = next === boundaries.length - 1;
    if (!isLast && (length < aim || rest < aim / 2)) continue;
    pieces.push({ firstSegment: first, segmentCount: next - first });
    first = next;
  }
  return pieces;
}

/**
 * All rungs of a piece in one task, so that it is decoded once. Where nothing can be played yet the smallest rung goes ahead
 * alone.
 */
function planRungs(probe: Probe, plan: SegmentPlan, isPlayable: boolean, rank: Rank): Plan {
  if (probe.video === null) return NOTHING;
  const rungs = rungsOf(probe.video, isPlayable);
  if (rungs.length === 0) return NOTHING;
  const pieces = piecesOf(plan, probe.durationSeconds);
  const runs = isPlayable ? [{ band: 'rungs' as const, rungs }] : splitFirst(rungs);
  const tasks = runs.flatMap(({ band, rungs }) =>
    pieces.map(({ firstSegment, segmentCount }, piece): PlannedTask => {
      const { boundaries, timescale } = plan;
      const ticks = boundaries[firstSegment + segmentCount]! - boundaries[firstSegment]!;
      return {
        spec: { kind: 'encode', firstSegment, segmentCount, rungs, piece },
        renditions: rungs.map(({ name }) => name),
        priority: priorityOf(band, rank),
        weight: 0.2 + (ticks / timescale) * workOf(probe, rungs),
      };
    }),
  );
  const renditions = rungs.map(
    ({ name }): PlannedRendition => ({ name, kind: 'video', pieces: pieces.length }),
  );
  return { tasks, renditions };
}

function splitFirst(rungs: readonly VideoRung[]): { band: Band; rungs: VideoRung[] }[] {
  const rest = rungs.slice(0, -1);
  const first = { band: 'first' as const, rungs: [rungs.at(-1)!] };
  return rest.length === 0 ? [first] : [first, { band: 'rungs', rungs: rest }];
}

/** About the seconds that a core needs for a second of the video. */
function workOf({ video }: Probe, rungs: readonly VideoRung[]): number {
  const rate = Math.min(60, video?.frameRate ?? 30);
  const decoded = (video?.width ?? 0) * (video?.height ?? 0);
  const encoded = rungs.reduce((sum, { width, height }) => sum + width * height, 0);
  return (rate * (decoded + 4 * encoded)) / 5e8;
}

function planAudio(probe: Probe, playable: ReadonlySet<number>, rank: Rank): Plan {
  const wanted = audioEncodings(probe, AUDIO_TRACKS_MAX).filter(({ track }) => !playable.has(track));
  return {
    tasks: wanted.map(({ track, channels, bitRate }) => ({
      spec: { kind: 'audio', track, channels, bitRate },
      renditions: [audioName(track)],
      priority: priorityOf('first', rank),
      weight: 0.2 + probe.durationSeconds / 100,
    })),
    renditions: wanted.map(({ track }) => ({ name: audioName(track), kind: 'audio', pieces: 1 })),
  };
}

function planPictures(probe: Probe, rank: Rank): Plan {
  if (probe.video === null) return NOTHING;
  const band = probe.durationSeconds <= SHORT_SECONDS ? 'early' : 'late';
  const weight = 1 + probe.durationSeconds / 200;
  return onlyTask({ spec: { kind: 'pictures' }, renditions: [], priority: priorityOf(band, rank), weight });
}

/** Renditions that a result brings with it, whole. */
function made(video: MadeVideo | null, audio: readonly MadeAudio[]): Plan {
  const renditions: PlannedRendition[] = audio.map(({ track }) => ({
    name: audioName(track),
    kind: 'audio',
    pieces: 1,
  }));
  if (video !== null) renditions.push({ name: video.name, kind: 'video', pieces: 1 });
  return { tasks: [], renditions };
}

/** Of one track there is one rendition, whoever makes it. */
export function audioName(track: number): string {
  return track === 0 ? 'audio' : `audio-${track + 1}`;
}

const NOTHING: Plan = { tasks: [], renditions: [] };

function onlyTask(task: PlannedTask): Plan {
  return { tasks: [task], renditions: [] };
}

function joined(plans: readonly Plan[]): Plan {
  return {
    tasks: plans.flatMap(({ tasks }) => tasks),
    renditions: plans.flatMap(({ renditions }) => renditions),
  };
}
