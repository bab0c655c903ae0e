import { describe, expect, test } from 'vitest';
import type { MadeVideo, TaskOf, VideoRung } from '../../../lib/worker-api/tasks.ts';
import { runTask } from '../run-task.ts';
import { type ClipOptions, makeClip } from '../testing/clips.ts';
import { type MemoryContext, memoryContext, memorySource } from '../testing/memory-context.ts';
import { brightnessOf, type Inspected, inspectClip, picturesOf } from '../testing/read-back.ts';

const TASK = { taskId: crypto.randomUUID(), videoId: crypto.randomUUID() };

function rung(width: number, height: number, frameRateMax = 60): VideoRung {
  return {
    name: `${height}p`,
    width,
    height,
    frameRateMax,
    crf: 30,
    bitRateMax: 500_000,
    preset: 'veryfast',
  };
}

function taskFor(
  bytes: Uint8Array,
  { probe, plan }: Inspected,
  rungs: readonly VideoRung[],
  [firstSegment, segmentCount]: readonly [number, number] = [0, plan.boundaries.length - 1],
): TaskOf<'encode'> {
  return {
    kind: 'encode',
    ...TASK,
    sourceBytes: bytes.length,
    probe,
    plan,
    firstSegment,
    segmentCount,
    rungs: [...rungs],
  };
}

interface Encoded {
  readonly videos: readonly MadeVideo[];
  readonly context: MemoryContext;
  /** A rung as a file of its own. */
  file(index: number): Buffer;
}

async function encode(bytes: Uint8Array, task: TaskOf<'encode'>): Promise<Encoded> {
  const context = memoryContext(memorySource(bytes));
  const result = await runTask(task, context);
  if (result.kind !== 'encode') throw new Error(`The result is of kind ${result.kind}`);
  const { videos } = result;
  return {
    videos,
    context,
    file: (index) => {
      const { piece } = videos[index]!;
      return Buffer.concat([Buffer.from(piece.init, 'base64'), context.bytesOf(piece.output)]);
    },
  };
}

async function encodeClip(
  options: ClipOptions,
  rungs: readonly VideoRung[],
  track: Parameters<typeof inspectClip>[1] = {},
) {
  const bytes = await makeClip(options);
  const inspected = await inspectClip(bytes, track);
  return { inspected, ...(await encode(bytes, taskFor(bytes, inspected, rungs))) };
}

describe('pieces', () => {
  test('of several workers fit together: same beginning, no gap, no picture twice, keyframes at the boundaries', async () => {
    const bytes = await makeClip({
      durationSeconds: 3,
      video: { frameRate: '30000/1001', bFrames: 2, keyframeInterval: 20 },
      audio: [],
    });
    const inspected = await inspectClip(bytes);
    const { plan, times } = inspected;
    const rungs = [rung(192, 108), rung(96, 54)];
    const count = plan.boundaries.length - 1;
    expect(count).toBeGreaterThan(3);
    const pieces = await Promise.all([
      encode(bytes, taskFor(bytes, inspected, rungs, [0, 2])),
      encode(bytes, taskFor(bytes, inspected, rungs, [2, count - 2])),
    ]);
    for (const index of [0, 1]) {
      const made = pieces.map(({ videos }) => videos[index]!);
      expect(made[1]!.piece.init).toBe(made[0]!.piece.init);
      const factor = made[0]!.piece.timescale / plan.timescale;
      const durations = made.flatMap(({ piece }) => piece.durations);
      expect(durations).toEqual(
        plan.boundaries.slice(1).map((end, at) => (end - plan.boundaries[at]!) * factor),
      );
      const whole = Buffer.concat([
        Buffer.from(made[0]!.piece.init, 'base64'),
        ...pieces.map(({ context }) => context.bytesOf(made[0]!.piece.output)),
      ]);
      const read = await picturesOf(whole, plan.timescale);
      expect(read.packets.map(({ time }) => time)).toEqual(times);
      const keyframes = read.packets.filter(({ isKeyframe }) => isKeyframe).map(({ time }) => time);
      expect(keyframes).toEqual(expect.arrayContaining(plan.boundaries.slice(0, -1)));
    }
  });

  test('say what they are, and their lengths are those of the segments', async () => {
    const { videos, context } = await encodeClip({ durationSeconds: 1, audio: [] }, [rung(192, 108)]);
    const [video] = videos;
    expect(video!.format).toEqual({ codecs: 'avc1.64001E', width: 192, height: 108, frameRate: 25 });
    const bytes = context.bytesOf('108p');
    expect(video!.piece.lengths.reduce((sum, length) => sum + length)).toBe(bytes.length);
    let offset = 0;
    for (const length of video!.piece.lengths) {
      expect(bytes.toString('latin1', offset + 4, offset + 8)).toBe('moof');
      offset += length;
    }
  });
});

describe('sources of all kinds', () => {
  const kinds: readonly [string, ClipOptions, ReturnType<typeof rung>, Parameters<typeof inspectClip>[1]?][] =
    [
      [
        'HEVC of 10 bit',
        { video: { encoder: 'libx265', pixelFormat: 'yuv420p10le' }, audio: [] },
        rung(160, 90),
      ],
      [
        'odd sizes',
        { video: { encoder: 'ffv1', width: 321, height: 181 }, container: 'matroska' },
        rung(320, 180),
      ],
      ['4:4:4', { video: { pixelFormat: 'yuv444p' }, audio: [] }, rung(160, 90)],
      [
        'RGB',
        { video: { encoder: 'ffv1', pixelFormat: 'bgr0' }, container: 'matroska', audio: [] },
        rung(160, 90),
      ],
      ['MPEG transport streams', { container: 'mpegts', video: { bFrames: 2 } }, rung(160, 90)],
      [
        'AVI',
        { container: 'avi', video: { encoder: 'mpeg4' }, audio: [{ encoder: 'libmp3lame' }] },
        rung(160, 90),
      ],
      [
        'interlaced pictures',
        { video: { encoderOptions: { flags: '+ildct+ilme' }, filters: 'setfield=tff' }, audio: [] },
        rung(160, 90),
      ],
      [
        'HDR',
        { video: { encoder: 'libx265', pixelFormat: 'yuv420p10le' }, audio: [] },
        rung(160, 90),
        { range: 'pq' },
      ],
      [
        'HLG',
        { video: { encoder: 'libx265', pixelFormat: 'yuv420p10le' }, audio: [] },
        rung(160, 90),
        { range: 'hlg' },
      ],
    ];

  test.each(kinds)('%s', async (_, options, wanted, track) => {
    const { inspected, file } = await encodeClip({ durationSeconds: 1, ...options }, [wanted], track);
    const { width, height, means } = await brightnessOf(file(0));
    expect({ width, height }).toEqual({ width: wanted.width, height: wanted.height });
    expect(means).toHaveLength(inspected.times.length);
    expect(Math.min(...means)).toBeGreaterThan(40);
  });

  test('a variable frame rate keeps its times', async () => {
    const filters = "select='not(between(mod(n,7),2,4))'";
    const options: ClipOptions = { durationSeconds: 2, video: { filters }, audio: [], container: 'matroska' };
    const { inspected, file } = await encodeClip(options, [rung(160, 90)], { isVariableFrameRate: true });
    const { packets } = await picturesOf(file(0), inspected.plan.timescale);
    expect(packets.map(({ time }) => time)).toEqual(inspected.times);
  });

  test('one picture', async () => {
    const { file } = await encodeClip({ durationSeconds: 0.04, audio: [] }, [rung(160, 90)]);
    expect((await brightnessOf(file(0))).means).toHaveLength(1);
  });

  test.each([
    [90, [0.6, 0, 1, 0.4]],
    [180, [0.6, 0.6, 1, 1]],
    [270, [0, 0.6, 0.4, 1]],
  ] as const)('a phone that was held at %i degrees', async (rotation, corner) => {
    const filters = 'drawbox=x=0:y=0:w=iw*0.4:h=ih*0.4:color=white:t=fill';
    const video = { pattern: 'color=c=black', filters, rotation } as const;
    const size = rotation === 180 ? rung(160, 90) : rung(90, 160);
    const { file } = await encodeClip({ durationSeconds: 0.2, video, audio: [] }, [size], { rotation });
    expect((await brightnessOf(file(0), corner)).means[0]).toBeGreaterThan(200);
    expect((await brightnessOf(file(0))).means[0]).toBeLessThan(80);
  });
});

test('a greater frame rate than the rung takes is halved, and segments still begin at their boundaries', async () => {
  const video = { frameRate: '50', keyframeInterval: 25 };
  const { inspected, videos, file } = await encodeClip({ video, audio: [] }, [
    rung(160, 90, 30),
    rung(96, 54),
  ]);
  expect(videos.map(({ format }) => format.frameRate)).toEqual([25, 50]);
  const { timescale, boundaries } = inspected.plan;
  const [capped, whole] = await Promise.all([0, 1].map((index) => picturesOf(file(index), timescale)));
  expect(whole!.packets.map(({ time }) => time)).toEqual(inspected.times);
  const times = capped!.packets.map(({ time }) => time);
  expect(inspected.times).toEqual(expect.arrayContaining(times));
  expect(times).toEqual(expect.arrayContaining(boundaries.slice(0, -1)));
  expect(times.length).toBeLessThan(inspected.times.length * 0.6);
});

describe('damaged sources', () => {
  const options: ClipOptions = { durationSeconds: 3, muxerOptions: { movflags: '+faststart' }, audio: [] };

  test('one that was cut off shows its last picture on to the end of the piece', async () => {
    const bytes = await makeClip(options);
    const inspected = await inspectClip(bytes);
    const cut = bytes.subarray(0, Math.floor(bytes.length * 0.5));
    const { videos } = await encode(cut, taskFor(cut, inspected, [rung(160, 90)]));
    expect(videos[0]!.piece.durations).toHaveLength(inspected.plan.boundaries.length - 1);
  });

  test('one that was cut off fails in words where nothing is left', async () => {
    const bytes = await makeClip(options);
    const inspected = await inspectClip(bytes);
    const cut = bytes.subarray(0, bytes.indexOf('mdat') + 1000);
    const task = taskFor(cut, inspected, [rung(160, 90)], [inspected.plan.boundaries.length - 2, 1]);
    await expect(encode(cut, task)).rejects.toMatchObject({
      name: 'TaskFailure',
      code: 'failed',
      message: expect.stringContaining('could be decoded'),
    });
  });

  test('one with garbage inside has all its segments', async () => {
    const bytes = Buffer.from(await makeClip(options));
    const inspected = await inspectClip(bytes);
    const from = Math.floor(bytes.length * 0.4);
    for (let at = from; at < from + bytes.length * 0.2; at += 1) bytes[at] = (at * 7919) % 251;
    const { file } = await encode(bytes, taskFor(bytes, inspected, [rung(160, 90)]));
    const { packets } = await picturesOf(file(0), inspected.plan.timescale);
    const times = packets.map(({ time }) => time);
    expect(times).toEqual(expect.arrayContaining(inspected.plan.boundaries.slice(0, -1)));
  });

  test('bytes that cannot be had reject with the reason, not with what FFmpeg makes of it', async () => {
    const bytes = await makeClip(options);
    const inspected = await inspectClip(bytes);
    const source = memorySource(bytes);
    let reads = 0;
    const reason = new Error('no node answers');
    const context = memoryContext({
      sizeBytes: bytes.length,
      read: async (offset, length) => {
        reads += 1;
        if (reads > 1) throw reason;
        return source.read(offset, Math.min(length, 64 * 1024));
      },
    });
    await expect(runTask(taskFor(bytes, inspected, [rung(160, 90)]), context)).rejects.toBe(reason);
  });
});

test('a task that is aborted stops with the reason', async () => {
  const bytes = await makeClip({ durationSeconds: 4, audio: [] });
  const inspected = await inspectClip(bytes);
  const context = memoryContext(memorySource(bytes));
  const reason = new Error('not wanted any more');
  const aborting = {
    ...context,
    progress(share: number) {
      context.progress(share);
      if (share > 0.1) context.controller.abort(reason);
    },
  };
  await expect(runTask(taskFor(bytes, inspected, [rung(160, 90)]), aborting)).rejects.toBe(reason);
  expect(context.shares.at(-1)).toBeLessThan(0.2);
});
