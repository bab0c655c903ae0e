import { beforeAll, describe, expect, test } from 'vitest';
import type { Piece, Task } from '../../lib/worker-api/tasks.ts';
import { runTask } from './run-task.ts';
import { makeClip } from './testing/clips.ts';
import { ffprobe, type Probed } from './testing/ffprobe.ts';
import { memoryContext, memorySource } from './testing/memory-context.ts';
import { type Inspected, inspectClip } from './testing/read-back.ts';

/** What an independent reader says of renditions that were put together of pieces: Debian's ffprobe. */
describe('ffprobe reads', () => {
  const RATE = 30_000 / 1001;
  const SECONDS = 5;
  let clip: Buffer;
  let inspected: Inspected;
  let video: Probed;
  let audio: Probed;

  async function run(task: Task): Promise<{ readonly piece: Piece; readonly bytes: Buffer }> {
    const context = memoryContext(memorySource(clip));
    const result = await runTask(task, context);
    const made =
      result.kind === 'encode' ? result.videos[0] : result.kind === 'audio' ? result.audio : undefined;
    return { piece: made!.piece, bytes: context.bytesOf(made!.piece.output) };
  }

  beforeAll(async () => {
    clip = await makeClip({
      durationSeconds: SECONDS,
      video: { frameRate: '30000/1001', bFrames: 3, keyframeInterval: 30 },
      audio: [{ channels: '5.1', sampleRate: 44_100 }],
    });
    inspected = await inspectClip(clip);
    const { probe, plan } = inspected;
    const base = {
      taskId: crypto.randomUUID(),
      videoId: crypto.randomUUID(),
      sourceBytes: clip.length,
      probe,
      plan,
    };
    const rung = { width: 160, height: 90, frameRateMax: 60, crf: 28, bitRateMax: 400_000, preset: 'faster' };
    const rungs = [{ name: '90p', ...rung }];
    const pieces = await Promise.all(
      [0, 2, 4].map((firstSegment) =>
        run({
          kind: 'encode',
          ...base,
          firstSegment,
          segmentCount: Math.min(2, plan.boundaries.length - 1 - firstSegment),
          rungs,
        }),
      ),
    );
    const sound = await run({ kind: 'audio', ...base, track: 0, channels: 2, bitRate: 96_000 });
    const fileOf = (parts: typeof pieces) =>
      Buffer.concat([Buffer.from(parts[0]!.piece.init, 'base64'), ...parts.map(({ bytes }) => bytes)]);
    [video, audio] = await Promise.all([ffprobe(fileOf(pieces)), ffprobe(fileOf([sound]))]);
  });

  test('pictures from 0 on, one each at its time across all pieces, and their size', () => {
    expect(video.streams[0]).toMatchObject({
      codec_name: 'h264',
      profile: 'High',
      width: 160,
      height: 90,
      start_time: 0,
    });
    const times = video.packets.map(({ pts_time }) => pts_time).sort((a, b) => a - b);
    expect(times).toHaveLength(inspected.times.length);
    for (const [index, time] of times.entries()) expect(time).toBeCloseTo(index / RATE, 4);
  });

  test('decoding times that only grow and are never after those of presentation', () => {
    let last = -1;
    for (const { pts_time, dts_time } of video.packets) {
      expect(dts_time).toBeGreaterThan(last);
      expect(dts_time).toBeLessThanOrEqual(pts_time);
      last = dts_time;
    }
  });

  test('a keyframe at every boundary', () => {
    const keyframes = video.packets
      .filter(({ flags }) => flags.includes('K'))
      .map(({ pts_time }) => pts_time);
    const { timescale, boundaries } = inspected.plan;
    for (const boundary of boundaries.slice(0, -1))
      expect(Math.min(...keyframes.map((time) => Math.abs(time - boundary / timescale)))).toBeLessThan(1e-4);
  });

  test('pictures and sound as long as each other, and as the source, to one picture', () => {
    const end = Math.max(...video.packets.map(({ pts_time }) => pts_time)) + 1 / RATE;
    expect(Math.abs(end - inspected.probe.durationSeconds)).toBeLessThan(1 / RATE);
    expect(Math.abs(audio.streams[0]!.duration - end)).toBeLessThan(1 / RATE);
  });

  test('sound from 0 on without a gap', () => {
    expect(audio.streams[0]).toMatchObject({ codec_name: 'aac', profile: 'LC', channels: 2, start_time: 0 });
    for (const [index, { pts_time }] of audio.packets.entries())
      expect(pts_time).toBeCloseTo((index * 1024) / 44_100, 4);
  });
});
