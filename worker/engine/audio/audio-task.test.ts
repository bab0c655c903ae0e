import { describe, expect, test } from 'vitest';
import type { SegmentPlan, TaskOf } from '../../../lib/worker-api/tasks.ts';
import { runTask } from '../run-task.ts';
import { type ClipOptions, makeClip } from '../testing/clips.ts';
import { firstLoud, listen, loudness } from '../testing/listen.ts';
import { memoryContext, memorySource } from '../testing/memory-context.ts';

const PLAN: SegmentPlan = { timescale: 1000, boundaries: [0, 400, 1000, 2000] };
const FRAME_SECONDS = 1024 / 48_000;

async function encodeAudio(clip: Uint8Array, options: Partial<TaskOf<'audio'>> = {}) {
  const context = memoryContext(memorySource(clip));
  const result = await runTask(
    {
      kind: 'audio',
      taskId: crypto.randomUUID(),
      videoId: crypto.randomUUID(),
      sourceBytes: clip.length,
      probe: {
        container: 'any',
        durationSeconds: 2,
        sizeBytes: clip.length,
        bitRate: null,
        video: null,
        audio: [],
      },
      plan: PLAN,
      track: 0,
      channels: 2,
      bitRate: 96_000,
      ...options,
    },
    context,
  );
  if (result.kind !== 'audio') throw new Error(`The result is of kind ${result.kind}`);
  const { audio } = result;
  const file = Buffer.concat([Buffer.from(audio.piece.init, 'base64'), context.bytesOf(audio.piece.output)]);
  const seconds = audio.piece.durations.map((duration) => duration / audio.piece.timescale);
  return { audio, file, seconds, context };
}

const MUTED_AT_FIRST = "volume=0:enable='lt(t,1)'";

describe('sound', () => {
  test('is where it was, to the sample nearly, in segments that end with those of the pictures', async () => {
    const { audio, file, seconds } = await encodeAudio(
      await makeClip({ audio: [{ filters: MUTED_AT_FIRST }] }),
    );
    expect(audio).toMatchObject({
      name: 'audio-0',
      format: { codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 },
    });
    let end = 0;
    for (const [index, duration] of seconds.entries()) {
      end += duration;
      expect(Math.abs(end - PLAN.boundaries[index + 1]! / 1000)).toBeLessThanOrEqual(FRAME_SECONDS);
    }
    expect(seconds).toHaveLength(3);
    const heard = await listen(file);
    expect(Math.abs(firstLoud(heard, 0.05) - 1)).toBeLessThan(FRAME_SECONDS / 2);
    expect(loudness(heard, 0.1, 0.9)).toBeLessThan(0.005);
    expect(loudness(heard, 1.1, 1.9)).toBeGreaterThan(0.05);
  });

  const kinds: readonly [string, ClipOptions, Partial<TaskOf<'audio'>>, object][] = [
    ['5.1 becomes two channels', { audio: [{ channels: '5.1' }] }, {}, { channels: 2, sampleRate: 48_000 }],
    ['one channel', { audio: [{ channels: 'mono' }] }, { channels: 1 }, { channels: 1, sampleRate: 48_000 }],
    ['44.1 kHz stay', { audio: [{ sampleRate: 44_100 }] }, {}, { channels: 2, sampleRate: 44_100 }],
    ['22.05 kHz', { audio: [{ sampleRate: 22_050 }] }, {}, { channels: 2, sampleRate: 44_100 }],
    ['16 kHz', { audio: [{ sampleRate: 16_000 }] }, {}, { channels: 2, sampleRate: 48_000 }],
    ['MP3 alone', { container: 'mp3', video: null, audio: [{ encoder: 'libmp3lame' }] }, { plan: null }, {}],
    ['WAV alone', { container: 'wav', video: null, audio: [{ encoder: 'pcm_s16le' }] }, { plan: null }, {}],
    ['a transport stream', { container: 'mpegts' }, {}, {}],
  ];
  test.each(kinds)('%s', async (_, clip, options, format) => {
    const { audio, file, seconds } = await encodeAudio(await makeClip(clip), options);
    expect(audio.format).toMatchObject(format);
    const heard = await listen(file);
    expect(heard).toMatchObject(format);
    expect(seconds.reduce((sum, each) => sum + each)).toBeCloseTo(2, 1);
    expect(loudness(heard, 0.2, 1.8)).toBeGreaterThan(0.03);
  });

  test('HE-AAC, whose frames are half of what is heard', async () => {
    const clip = await makeClip({ video: null, audio: [{ sampleRate: 24_000 }] });
    // The same frames as the core of HE-AAC at 48 kHz; nothing else of it has to be there (ISO 14496-3, 1.6.6).
    const at = clip.indexOf(Buffer.from('131056e500', 'hex'));
    clip.write('2b11880000', at, 'hex');
    const { file, seconds } = await encodeAudio(clip, { plan: null });
    const heard = await listen(file);
    expect(heard).toMatchObject({ channels: 2, sampleRate: 48_000 });
    expect(seconds.reduce((sum, each) => sum + each)).toBeCloseTo(2, 1);
    expect(loudness(heard, 0.2, 1.8)).toBeGreaterThan(0.03);
    const task = { kind: 'inspect' as const, taskId: '', videoId: '', sourceBytes: clip.length };
    const inspected = await runTask(task, memoryContext(memorySource(clip)));
    expect(inspected).toMatchObject({ audio: [{ format: { codecs: 'mp4a.40.5', sampleRate: 48_000 } }] });
  });

  test('the track that was asked for, mixed down without going beyond full scale', async () => {
    const loud =
      'aformat=sample_fmts=fltp:channel_layouts=mono,volume=8,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0';
    const clip = await makeClip({
      container: 'matroska',
      audio: [{}, { encoder: 'pcm_s16le', channels: '5.1', filters: loud }],
    });
    const { audio, file } = await encodeAudio(clip, { track: 1 });
    expect(audio.track).toBe(1);
    const { samples } = await listen(file);
    expect(samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeLessThan(1.05);
  });

  test('what is missing in between is silence, and what comes after it is in its place', async () => {
    const filters = "aselect='not(between(t,0.5,1.2))'";
    const { file } = await encodeAudio(await makeClip({ container: 'matroska', audio: [{ filters }] }));
    const heard = await listen(file);
    expect(loudness(heard, 0.6, 1.1)).toBeLessThan(0.01);
    expect(loudness(heard, 1.35, 1.9)).toBeGreaterThan(0.05);
    expect(heard.samples.length / heard.sampleRate).toBeCloseTo(2, 1);
  });

  test('that begins before the pictures is cut off, and one that ends before them goes on in silence', async () => {
    const clip = await makeClip({
      container: 'matroska',
      video: { filters: 'setpts=PTS+0.48/TB' },
      audio: [{ filters: MUTED_AT_FIRST }],
    });
    const plan = { timescale: 1000, boundaries: [0, 1000, 3000] };
    const { file, seconds } = await encodeAudio(clip, { plan });
    const heard = await listen(file);
    expect(Math.abs(firstLoud(heard, 0.05) - 0.52)).toBeLessThan(FRAME_SECONDS);
    expect(loudness(heard, 1.6, 2.9)).toBeLessThan(0.005);
    expect(seconds.reduce((sum, each) => sum + each)).toBeCloseTo(3, 1);
  });

  test('that goes on after the pictures is all there', async () => {
    const plan = { timescale: 1000, boundaries: [0, 500] };
    const { seconds } = await encodeAudio(await makeClip({ durationSeconds: 8 }), { plan });
    expect(seconds.reduce((sum, each) => sum + each)).toBeCloseTo(8, 1);
    expect(Math.max(...seconds)).toBeLessThan(6.5);
  });
});

test('a track that is not there fails in words', async () => {
  const clip = await makeClip({ audio: [] });
  await expect(encodeAudio(clip)).rejects.toMatchObject({ name: 'TaskFailure', code: 'failed' });
});
