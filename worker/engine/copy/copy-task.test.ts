import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { describe, expect, test } from 'vitest';
import { resultSchema } from '../../../lib/worker-api/tasks.ts';
import { inspect } from '../inspect/inspect.ts';
import { readPackets, rebuild } from '../inspect/testing/rebuild.ts';
import { type ClipOptions, makeClip } from '../testing/clips.ts';
import { memoryContext, memorySource } from '../testing/memory-context.ts';
import { copy } from './copy-task.ts';
import { lengthPrefixed } from './h264-stream.ts';

Log.setLevel(AV_LOG_QUIET);
const ids = {
  taskId: '00000000-0000-4000-8000-000000000000',
  videoId: '00000000-0000-4000-8000-000000000001',
};

async function copySource(clip: Buffer) {
  const source = memorySource(clip);
  const base = { ...ids, sourceBytes: clip.length };
  const { probe } = await inspect({ kind: 'inspect', ...base }, memoryContext(source));
  const context = memoryContext(source);
  const audio = probe.audio.map(({ index }) => index);
  const result = await copy({ kind: 'copy', ...base, probe, video: probe.video !== null, audio }, context);
  resultSchema.parse(result);
  return { result, context };
}

function clipOf(options: ClipOptions): Promise<Buffer> {
  return makeClip({
    durationSeconds: 5,
    video: { width: 96, height: 54, bFrames: 2 },
    audio: [{}],
    ...options,
  });
}

describe('a copy', () => {
  test.each([
    ['of Matroska', { container: 'matroska' as const }, 0.001],
    ['of an MPEG transport stream', { container: 'mpegts' as const }, 0.001],
    ['of MP4 in fragments', { muxerOptions: { movflags: '+frag_keyframe+empty_moov' } }, 1e-6],
  ])('%s has every picture and frame at its time, without gaps', async (_, options, tolerance) => {
    const clip = await clipOf(options);
    const { result, context } = await copySource(clip);
    expect(result.plan!.boundaries.map((time) => time / result.plan!.timescale)).toEqual([0, 4, 5]);
    const pictures = await readPackets(await rebuild(result.video!.piece, context), 'video');
    expect(pictures).toHaveLength(125);
    for (const [index, { seconds }] of pictures.entries()) expect(seconds).toBeCloseTo(index / 25, 6);
    expect(pictures.filter(({ isKeyframe }) => isKeyframe)).toHaveLength(5);

    const frames = await readPackets(await rebuild(result.audio[0]!.piece, context), 0);
    const source = await readPackets(clip, 0);
    const zero = (await readPackets(clip, 'video'))[0]!.seconds;
    const expected = source.filter(
      ({ seconds, durationSeconds }) => seconds - zero + durationSeconds > tolerance,
    );
    expect(frames).toHaveLength(expected.length);
    for (const [index, frame] of frames.entries()) {
      expect(expected[index]!.content.endsWith(frame.content)).toBe(true);
      expect(Math.abs(frame.seconds - (expected[index]!.seconds - zero))).toBeLessThanOrEqual(tolerance);
    }
    expect(result.audio[0]!.piece.durations).toHaveLength(2);
  });

  test('of sound alone is cut every few seconds', async () => {
    const { result, context } = await copySource(
      await clipOf({ video: null, durationSeconds: 15, container: 'matroska' }),
    );
    expect(result).toMatchObject({ plan: null, video: null });
    expect(result.audio[0]!.piece.durations.map((ticks) => Math.round(ticks / 48_000))).toEqual([6, 6, 3]);
    expect(context.outputs.get('audio-0')?.appends).toHaveLength(1);
  });

  test('of a recording that begins between keyframes begins with its first keyframe', async () => {
    const clip = await clipOf({ container: 'mpegts', durationSeconds: 7 });
    const begin = Math.floor((clip.length * 0.1) / 188) * 188;
    const { result, context } = await copySource(clip.subarray(begin));
    const pictures = await readPackets(await rebuild(result.video!.piece, context), 'video');
    expect(pictures[0]).toMatchObject({ seconds: 0, isKeyframe: true });
    expect(pictures.length).toBeGreaterThan(100);
    expect(result.audio).toHaveLength(1);
  });

  test('whose keyframes are too far apart is given up', async () => {
    const video = { width: 32, height: 32, frameRate: '10', keyframeInterval: 1000 };
    const clip = await clipOf({ container: 'matroska', durationSeconds: 30, video, audio: [] });
    await expect(copySource(clip)).rejects.toMatchObject({ name: 'TaskFailure', code: 'failed' });
  });

  test('that is cancelled stops', async () => {
    const clip = await clipOf({ container: 'matroska' });
    const context = memoryContext(memorySource(clip));
    const { probe } = await inspect({ kind: 'inspect', ...ids, sourceBytes: clip.length }, context);
    context.controller.abort(new Error('cancelled'));
    const task = { kind: 'copy' as const, ...ids, sourceBytes: clip.length, probe, video: true, audio: [0] };
    await expect(copy(task, context)).rejects.toThrow('cancelled');
  });
});

describe('units between start codes', () => {
  test.each([
    ['one with a short code', [0, 0, 1, 0x65, 1, 2], [0, 0, 0, 3, 0x65, 1, 2]],
    [
      'two with codes of both kinds',
      [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 8],
      [0, 0, 0, 2, 0x67, 9, 0, 0, 0, 2, 0x68, 8],
    ],
    ['a delimiter, which is left out', [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x65, 7], [0, 0, 0, 2, 0x65, 7]],
    ['zeros after the last', [0, 0, 1, 0x65, 7, 0, 0, 0], [0, 0, 0, 2, 0x65, 7]],
    ['a code and nothing after it', [0, 0, 1, 0x65, 7, 0, 0, 1], [0, 0, 0, 2, 0x65, 7]],
    ['none', [1, 2, 3], []],
    ['nothing', [], []],
  ])('%s', (_, stream, sample) => {
    expect([...lengthPrefixed(Uint8Array.from(stream))]).toEqual(sample);
  });
});
