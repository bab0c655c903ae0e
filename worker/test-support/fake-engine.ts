import { setTimeout as sleep } from 'node:timers/promises';
import type { Piece, Probe, SegmentPlan, Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../task-context.ts';

/**
 * What a "video" of the tests consists of, as JSON: what a task makes of it, and at which kind of task something goes wrong.
 * It stands in for the engine, so that the queue and the workers are tested without any media.
 */
export interface Script {
  readonly seconds: number;
  readonly hasAudio?: boolean;
  /** Whether an inspection makes it playable at once. */
  readonly isPlayable?: boolean;
  /** Before each segment. */
  readonly segmentMs?: number;
  readonly hang?: Task['kind'];
  readonly crash?: Task['kind'];
  readonly eat?: Task['kind'];
  readonly fail?: Task['kind'];
  /** Says that it has made something else than it was asked for. */
  readonly lie?: Task['kind'];
}

const SEGMENT_SECONDS = 4;
const TIMESCALE = 1000;
const INIT = Buffer.from('init').toString('base64');

export async function runTask(task: Task, context: TaskContext): Promise<TaskResult> {
  const script = await readScript(task, context);
  await misbehave(task.kind, script);
  switch (task.kind) {
    case 'inspect':
      return await inspect(task.sourceBytes, script, context);
    case 'encode': {
      const { firstSegment, segmentCount, plan } = task;
      const durations = durationsOf(plan).slice(firstSegment, firstSegment + segmentCount);
      const videos = [];
      for (const { name, width, height } of task.rungs) {
        const piece = await write(name, durations, 1000, script, context);
        videos.push({ name, format: { codecs: 'avc1.64001e', width, height, frameRate: 25 }, piece });
      }
      return { kind: 'encode', videos: script.lie === 'encode' ? videos.slice(1) : videos };
    }
    case 'audio': {
      const durations = durationsOf(task.plan ?? planOf(script));
      const piece = await write('audio', durations, 100, script, context);
      return { kind: 'audio', audio: { name: 'audio', track: task.track, format: AUDIO, piece } };
    }
    case 'copy':
      return await copy(task, script, context);
    case 'pictures': {
      const sink = await context.openOutput('poster', 'image/jpeg');
      await sink.append([Buffer.from('a poster')]);
      const poster = { output: 'poster', name: 'poster.jpg', contentType: 'image/jpeg' as const };
      return { kind: 'pictures', pictures: [{ ...poster, width: 640, height: 360 }] };
    }
  }
}

const AUDIO = { codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 };

async function readScript(task: Task, context: TaskContext): Promise<Script> {
  const text = Buffer.from(await context.source.read(0, task.sourceBytes)).toString();
  try {
    return JSON.parse(text) as Script;
  } catch {
    throw new TaskFailure('unplayable', 'The file is no video.');
  }
}

async function misbehave(kind: Task['kind'], script: Script): Promise<void> {
  if (script.fail === kind) throw new TaskFailure('failed', 'The script says so.');
  if (script.crash === kind) process.kill(process.pid, 'SIGSEGV');
  if (script.hang === kind) for (;;) performance.now();
  if (script.eat === kind) {
    const eaten: Buffer[] = [];
    for (;;) {
      eaten.push(Buffer.alloc(8 * 1024 * 1024, 1));
      await sleep(20);
    }
  }
}

async function inspect(sizeBytes: number, script: Script, context: TaskContext): Promise<TaskResult> {
  const plan = planOf(script);
  const probe: Probe = {
    container: 'mov,mp4,m4a,3gp,3g2,mj2',
    durationSeconds: script.seconds,
    sizeBytes,
    bitRate: null,
    video: {
      ...{ codec: 'h264', profile: 'High', width: 640, height: 480, rotation: 0, pixelAspect: 1 },
      ...{ frameRate: 25, isVariableFrameRate: false, bitDepth: 8, range: 'sdr', bitRate: null },
    },
    audio:
      script.hasAudio === true
        ? [
            {
              ...{ index: 0, codec: 'aac', channels: 2, sampleRate: 48_000, language: 'en', title: null },
              ...{ isDefault: true, bitRate: null },
            },
          ]
        : [],
  };
  const copyable = { video: false, audio: [] };
  const found = { kind: 'inspect' as const, probe, plan, copyable };
  if (script.isPlayable !== true) return { ...found, video: null, audio: [] };
  const format = { codecs: 'avc1.64001e', width: 640, height: 480, frameRate: 25 };
  const own = { ...script, segmentMs: 0 };
  const video = { name: '480p', format, piece: await write('video', durationsOf(plan), 50, own, context) };
  if (script.hasAudio !== true) return { ...found, video, audio: [] };
  const piece = await write('audio', durationsOf(plan), 20, own, context);
  return { ...found, video, audio: [{ name: 'audio', track: 0, format: AUDIO, piece }] };
}

async function copy(
  { video, audio }: Task & { kind: 'copy' },
  script: Script,
  context: TaskContext,
): Promise<TaskResult> {
  const plan = planOf(script);
  const format = { codecs: 'avc1.64001e', width: 640, height: 480, frameRate: 25 };
  const pictures = async () => ({
    ...{ name: '480p', format, piece: await write('video', durationsOf(plan), 5000, script, context) },
  });
  const sounds = [];
  for (const track of audio) {
    const piece = await write(`audio-${track}`, durationsOf(plan), 500, script, context);
    sounds.push({ name: 'audio', track, format: AUDIO, piece });
  }
  return { kind: 'copy', plan: video ? plan : null, video: video ? await pictures() : null, audio: sounds };
}

function planOf({ seconds }: Script): SegmentPlan {
  const boundaries: number[] = [];
  for (let at = 0; at < seconds; at += SEGMENT_SECONDS) boundaries.push(at * TIMESCALE);
  return { timescale: TIMESCALE, boundaries: [...boundaries, seconds * TIMESCALE] };
}

function durationsOf({ boundaries }: SegmentPlan): number[] {
  return boundaries.slice(1).map((boundary, index) => boundary - boundaries[index]!);
}

async function write(
  output: string,
  durations: readonly number[],
  segmentBytes: number,
  { segmentMs = 0 }: Script,
  context: TaskContext,
): Promise<Piece> {
  const sink = await context.openOutput(output, 'video/mp4');
  for (const [index] of durations.entries()) {
    if (segmentMs > 0) await sleep(segmentMs);
    await sink.append([Buffer.alloc(segmentBytes, `${output}-${index}.`)]);
    context.progress((index + 1) / durations.length);
  }
  const lengths = durations.map(() => segmentBytes);
  return { output, init: INIT, timescale: TIMESCALE, durations: [...durations], lengths };
}
