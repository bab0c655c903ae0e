import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { describe, expect, test } from 'vitest';
import { type ResultOf, resultSchema } from '../../../lib/worker-api/tasks.ts';
import type { SourceReader } from '../../task-context.ts';
import { type ClipOptions, makeClip } from '../testing/clips.ts';
import { type MemoryContext, memoryContext, memorySource } from '../testing/memory-context.ts';
import { inspect } from './inspect.ts';
import { readPackets, rebuild } from './testing/rebuild.ts';

Log.setLevel(AV_LOG_QUIET);
const ids = {
  taskId: '00000000-0000-4000-8000-000000000000',
  videoId: '00000000-0000-4000-8000-000000000001',
};

async function inspectSource(
  source: SourceReader,
): Promise<{ result: ResultOf<'inspect'>; context: MemoryContext }> {
  const context = memoryContext(source);
  const result = await inspect({ kind: 'inspect', ...ids, sourceBytes: source.sizeBytes }, context);
  resultSchema.parse(result);
  return { result, context };
}

const HDR_PARAMETERS =
  'log-level=none:pools=1:frame-threads=1:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc';

/** Small pictures, unless others are asked for. */
async function inspectClip(options: ClipOptions) {
  const video = options.video === null ? null : { width: 96, height: 54, ...options.video };
  const clip = await makeClip({ ...options, video });
  return { clip, ...(await inspectSource(memorySource(clip))) };
}

/** Every picture and every frame of sound that is played is the source's, at the source's time. */
async function expectSamePackets(made: Buffer, source: Buffer, wanted: 'video' | number): Promise<void> {
  const packets = await readPackets(made, wanted === 'video' ? 'video' : 0);
  const expected = (await readPackets(source, wanted)).filter(({ seconds }) => seconds >= 0);
  expect(packets).toHaveLength(expected.length);
  for (const [index, packet] of packets.entries()) {
    expect(packet.content).toBe(expected[index]!.content);
    expect(packet.seconds).toBeCloseTo(expected[index]!.seconds, 6);
    expect(packet.isKeyframe).toBe(expected[index]!.isKeyframe);
  }
}

describe('a source that browsers play', () => {
  test.each([
    ['with its moov at the end', { video: { bFrames: 2 } }],
    ['with its moov at the beginning', { muxerOptions: { movflags: '+faststart' }, video: { bFrames: 2 } }],
    ['of QuickTime', { container: 'mov' as const }],
    ['with variable frame rate', { video: { bFrames: 2, filters: "select='not(eq(mod(n,7),3))'" } }],
    ['at 30000/1001 pictures a second', { video: { frameRate: '30000/1001', bFrames: 3 } }],
  ])('%s is played from where it lies, to the tick', async (_, options) => {
    const { clip, result, context } = await inspectClip({ durationSeconds: 5, audio: [{}], ...options });
    expect(result.copyable).toEqual({ video: false, audio: [] });
    expect(result.video?.piece.durations.length).toBeGreaterThan(1);
    await expectSamePackets(await rebuild(result.video!.piece, context), clip, 'video');
    await expectSamePackets(await rebuild(result.audio[0]!.piece, context), clip, 0);
    const { timescale, boundaries } = result.plan!;
    const differences = boundaries.slice(1).map((time, index) => time - boundaries[index]!);
    expect(result.video!.piece.durations).toEqual(differences);
    const heard = result.audio[0]!.piece.durations.reduce((sum, ticks) => sum + ticks, 0) / 48_000;
    expect(Math.abs(heard - boundaries.at(-1)! / timescale)).toBeLessThan(0.1);
  });

  test('is described without FFmpeg as FFmpeg describes it', async () => {
    const options = {
      durationSeconds: 2,
      video: { width: 320, height: 180, bFrames: 2, filters: 'setsar=16/11' },
      audio: [{}, { channels: '5.1' as const, sampleRate: 44_100 }],
    };
    const { result } = await inspectClip(options);
    const { result: other } = await inspectClip({ ...options, container: 'matroska' });
    expect(result.probe.container).toBe('mov,mp4,m4a,3gp,3g2,mj2');
    expect(other.probe.container).toBe('matroska,webm');
    const { bitRate: _, pixelAspect, ...video } = result.probe.video!;
    expect(other.probe.video).toMatchObject(video);
    expect(other.probe.video!.pixelAspect).toBeCloseTo(pixelAspect, 3);
    for (const [index, { channels, sampleRate, codec }] of result.probe.audio.entries()) {
      expect(other.probe.audio[index]).toMatchObject({ index, channels, sampleRate, codec });
    }
    expect(result.audio.map(({ format }) => [format.codecs, format.channels, format.sampleRate])).toEqual([
      ['mp4a.40.2', 2, 48_000],
      ['mp4a.40.2', 6, 44_100],
    ]);
    expect(result.video!.format).toMatchObject({ width: 465, height: 180 });
    expect(result.video!.format.codecs).toMatch(/^avc1\.[0-9a-f]{6}$/);
  });

  test('without sound, with sound alone, and of one picture', async () => {
    const silent = await inspectClip({ audio: [] });
    expect(silent.result).toMatchObject({ audio: [], probe: { audio: [] } });
    await expectSamePackets(await rebuild(silent.result.video!.piece, silent.context), silent.clip, 'video');

    const sound = await inspectClip({ video: null, durationSeconds: 20 });
    expect(sound.result).toMatchObject({ plan: null, video: null, probe: { video: null } });
    expect(sound.result.audio[0]!.piece.durations).toHaveLength(3);
    await expectSamePackets(await rebuild(sound.result.audio[0]!.piece, sound.context), sound.clip, 0);

    const one = await inspectClip({ audio: [], video: { filters: 'trim=end_frame=1' } });
    expect(one.result.probe.video?.frameRate).toBeNull();
    expect(one.result.video!.piece.durations).toHaveLength(1);
    await expectSamePackets(await rebuild(one.result.video!.piece, one.context), one.clip, 'video');
  });

  test('that was cut off is played as far as it goes', async () => {
    const clip = await makeClip({
      durationSeconds: 6,
      video: { width: 96, height: 54 },
      muxerOptions: { movflags: '+faststart' },
    });
    const cut = clip.subarray(0, Math.floor(clip.length * 0.6));
    const { result, context } = await inspectSource(memorySource(cut));
    expect(result.probe.durationSeconds).toBeGreaterThan(2);
    expect(result.probe.durationSeconds).toBeLessThan(5.5);
    const packets = await readPackets(await rebuild(result.video!.piece, context), 'video');
    const whole = await readPackets(clip, 'video');
    expect(packets.map(({ content }) => content)).toEqual(
      whole.slice(0, packets.length).map(({ content }) => content),
    );
  });
});

describe('a source that has to be encoded', () => {
  test('because it is turned says by how much', async () => {
    const { result } = await inspectClip({ video: { rotation: 90, width: 320, height: 180 } });
    expect(result.probe.video).toMatchObject({ rotation: 90, width: 320, height: 180 });
    expect(result.video).toBeNull();
    expect(result.copyable.video).toBe(false);
    expect(result.audio).toHaveLength(1);
    const { result: other } = await inspectClip({ video: { rotation: 270 }, container: 'matroska' });
    expect(other.probe.video?.rotation).toBe(270);
    expect(other.copyable.video).toBe(false);
  });

  test('because it is HEVC with 10 bits and PQ has its plan and its sound', async () => {
    const { result } = await inspectClip({
      durationSeconds: 9,
      video: {
        encoder: 'libx265',
        pixelFormat: 'yuv420p10le',
        encoderOptions: { 'x265-params': HDR_PARAMETERS },
      },
    });
    expect(result.probe.video).toMatchObject({
      codec: 'hevc',
      profile: 'Main 10',
      bitDepth: 10,
      range: 'pq',
    });
    expect(result.video).toBeNull();
    expect(result.copyable).toEqual({ video: false, audio: [] });
    expect(result.audio).toHaveLength(1);
    const { timescale, boundaries } = result.plan!;
    expect(boundaries.map((time) => time / timescale)).toEqual([0, 4, 8, 9]);
  });

  test('because of odd sides and 4:4:4', async () => {
    const { result } = await inspectClip({ video: { width: 321, height: 181, pixelFormat: 'yuv444p' } });
    expect(result.probe.video).toMatchObject({ width: 321, height: 181, bitDepth: 8 });
    expect(result.video).toBeNull();
  });

  test('because keyframes are too far apart has a plan at pictures', async () => {
    const { result } = await inspectClip({
      durationSeconds: 30,
      video: { keyframeInterval: 1000, width: 64, height: 36 },
    });
    expect(result.video).toBeNull();
    expect(result.copyable.video).toBe(false);
    expect(result.plan!.boundaries.map((time) => time / result.plan!.timescale)).toEqual([
      0, 4, 8, 12, 16, 20, 24, 28, 30,
    ]);
  });
});

describe('a source in another container', () => {
  test.each(['matroska', 'mpegts'] as const)(
    '%s is described, planned and can be copied',
    async (container) => {
      const { result } = await inspectClip({ container, durationSeconds: 9 });
      expect(result.copyable).toEqual({ video: true, audio: [0] });
      expect(result.video).toBeNull();
      expect(result.probe.video).toMatchObject({
        codec: 'h264',
        width: 96,
        height: 54,
        frameRate: 25,
        bitDepth: 8,
      });
      expect(result.probe.durationSeconds).toBeCloseTo(9, 0);
      expect(result.plan!.boundaries.map((time) => time / result.plan!.timescale).slice(0, 3)).toEqual([
        0, 4, 8,
      ]);
    },
  );

  test('that says it is longer than it is has the length that is there', async () => {
    const clip = await makeClip({ container: 'matroska', durationSeconds: 9 });
    const { result } = await inspectSource(memorySource(clip.subarray(0, clip.length / 2)));
    expect(result.probe.durationSeconds).toBeLessThan(6);
    expect(result.probe.durationSeconds).toBeGreaterThan(3);
  });

  test('that is MP4 in fragments is left to a copy', async () => {
    const { result } = await inspectClip({ muxerOptions: { movflags: '+frag_keyframe+empty_moov' } });
    expect(result.copyable).toEqual({ video: true, audio: [0] });
  });
});

describe('what is no video', () => {
  const text = Buffer.from('This is not a video at all.\n'.repeat(2000));
  test.each([
    ['a text', text],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100_000)],
    ['a name of the format alone', Buffer.from('000000186674797069736f6d0000020069736f6d69736f32', 'hex')],
  ])('%s is refused in words', async (_, bytes) => {
    await expect(inspectSource(memorySource(bytes))).rejects.toMatchObject({
      name: 'TaskFailure',
      code: 'unplayable',
    });
  });

  test('a video without its end, where its moov was, says so', async () => {
    const clip = await makeClip();
    await expect(inspectSource(memorySource(clip.subarray(0, clip.length / 2)))).rejects.toMatchObject({
      code: 'unplayable',
      message: expect.stringContaining('not complete'),
    });
  });

  test('a moov without any of its pictures says so', async () => {
    const clip = await makeClip({
      durationSeconds: 6,
      video: { width: 96, height: 54 },
      muxerOptions: { movflags: '+faststart' },
    });
    const moovEnd = clip.indexOf('mdat') + 100;
    await expect(inspectSource(memorySource(clip.subarray(0, moovEnd)))).rejects.toMatchObject({
      code: 'unplayable',
      message: expect.stringContaining('not complete'),
    });
  });
});
