import type { Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import { runTask as runRealTask } from '../engine/run-task.ts';
import { type ClipOptions, makeClip } from '../engine/testing/clips.ts';
import { memoryContext, memorySource } from '../engine/testing/memory-context.ts';
import { type TaskContext, TaskFailure } from '../task-context.ts';

/*
 * Stands in for the engine in a child: whatever the task, it has the engine itself do all tasks with damaged files, one after
 * another. Which, the query of this module's address says: `?seed=1&count=100`. The same seed makes the same files.
 */

export interface FuzzResult {
  /** Tasks that made something, and those that said why they could not. */
  readonly made: number;
  readonly refused: number;
  /** What else came of it, with the number of the file. */
  readonly unexpected: readonly string[];
}

const query = new URL(import.meta.url).searchParams;
const SEED = Number(query.get('seed'));
const COUNT = Number(query.get('count'));
/** Files before it are made and left alone. */
const FIRST = Number(query.get('first'));

const PICTURES = { width: 64, height: 48, keyframeInterval: 6, bFrames: 2 };
const HEVC = { ...PICTURES, encoder: 'libx265', pixelFormat: 'yuv420p10le' };
const KINDS: readonly ClipOptions[] = [
  { container: 'mp4', video: PICTURES },
  { container: 'matroska', video: PICTURES },
  { container: 'mpegts', video: PICTURES },
  { container: 'avi', video: { ...PICTURES, encoder: 'mpeg4' }, audio: [{ encoder: 'libmp3lame' }] },
  { container: 'mp4', video: HEVC, muxerOptions: { movflags: '+frag_keyframe+empty_moov' } },
  { container: 'mov', video: { ...PICTURES, encoder: 'ffv1' }, audio: [{ encoder: 'pcm_s16le' }] },
  { container: 'matroska', video: HEVC, audio: [{ encoder: 'pcm_s16le', channels: '5.1' }] },
  { container: 'mp3', video: null, audio: [{ encoder: 'libmp3lame' }] },
];

export async function runTask(_task: Task, { progress }: TaskContext): Promise<TaskResult> {
  const random = randomOf(SEED);
  const clips = await Promise.all(
    KINDS.map((kind) => makeClip({ durationSeconds: 0.5, muxerOptions: {}, ...kind })),
  );
  const result = { made: 0, refused: 0, unexpected: [] as string[] };
  for (let file = 0; file < COUNT; file++) {
    const bytes = damage(clips[file % clips.length]!, random);
    progress(file / COUNT);
    if (file >= FIRST) await useAll(bytes, result, file);
  }
  return result as unknown as TaskResult;
}

async function useAll(
  bytes: Buffer,
  result: { made: number; refused: number; unexpected: string[] },
  file: number,
) {
  const attempt = async (task: Task): Promise<TaskResult | undefined> => {
    try {
      const made = await runRealTask(task, { ...memoryContext(memorySource(bytes)), cores: 1 });
      result.made += 1;
      return made;
    } catch (error) {
      if (error instanceof TaskFailure && error.message !== '') result.refused += 1;
      else result.unexpected.push(`${file}: ${task.kind}: ${error instanceof Error ? error.stack : error}`);
      return undefined;
    }
  };
  const base = { taskId: '', videoId: '', sourceBytes: bytes.length };
  const inspected = await attempt({ kind: 'inspect', ...base });
  if (inspected?.kind !== 'inspect') return;
  const { probe, plan, copyable } = inspected;
  if (probe.video !== null && plan !== null) {
    const rung = {
      width: 32,
      height: 24,
      frameRateMax: 30,
      crf: 30,
      bitRateMax: 100_000,
      preset: 'superfast',
    };
    const part = { firstSegment: 0, segmentCount: Math.min(plan.boundaries.length - 1, 3) };
    await attempt({ kind: 'encode', ...base, probe, plan, ...part, rungs: [{ name: '24p', ...rung }] });
    if (probe.durationSeconds < 10) await attempt({ kind: 'pictures', ...base, probe });
  }
  if (copyable.video || copyable.audio.length > 0)
    await attempt({ kind: 'copy', ...base, probe, video: copyable.video, audio: [...copyable.audio] });
  if (probe.audio.length > 0 && probe.durationSeconds < 10)
    await attempt({ kind: 'audio', ...base, probe, plan, track: 0, channels: 2, bitRate: 64_000 });
}

/** Changes bytes anywhere, or near the beginning, where headers are; leaves some out, or cuts the file off. */
function damage(clip: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(clip);
  const reach = random(3) === 0 ? Math.min(2048, bytes.length) : bytes.length;
  const changes = 1 + random(random(2) === 0 ? 4 : 60);
  for (let change = 0; change < changes; change++) {
    const at = random(reach);
    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random(256), bytes[at]! ^ (1 << random(8))][random(7)]!;
  }
  if (random(8) === 0) return bytes.subarray(0, 1 + random(bytes.length));
  if (random(8) > 0) return bytes;
  const hole = random(bytes.length);
  return Buffer.concat([bytes.subarray(0, hole), bytes.subarray(hole + random(200))]);
}

/** A generator of whole numbers below a bound: the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
