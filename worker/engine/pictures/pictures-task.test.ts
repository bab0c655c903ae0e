import { AV_CODEC_ID_MJPEG } from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib';
import { describe, expect, test } from 'vitest';
import type { TaskOf, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import { runTask } from '../run-task.ts';
import { type ClipOptions, makeClip } from '../testing/clips.ts';
import { memoryContext, memorySource } from '../testing/memory-context.ts';
import { inspectClip } from '../testing/read-back.ts';
import { scorePicture } from './picture-score.ts';
import { storyboardVtt, tilesOf } from './storyboard.ts';

async function makePictures(options: ClipOptions, track: Partial<VideoTrack> = {}, paddingBytes = 0) {
  const bytes = await makeClip(options);
  const { probe } = await inspectClip(bytes, track);
  const memory = memorySource(bytes);
  const source = { sizeBytes: bytes.length + paddingBytes, read: memory.read.bind(memory) };
  const context = memoryContext(source);
  const task: TaskOf<'pictures'> = {
    kind: 'pictures',
    taskId: crypto.randomUUID(),
    videoId: crypto.randomUUID(),
    sourceBytes: bytes.length,
    probe,
  };
  const result = await runTask(task, context);
  if (result.kind !== 'pictures') throw new Error(`The result is of kind ${result.kind}`);
  return { pictures: result.pictures, context };
}

/** Size in a JPEG's frame header. */
function jpegSize(jpeg: Buffer): [width: number, height: number] {
  for (let at = 2; at < jpeg.length; at += 2 + jpeg.readUInt16BE(at + 2))
    if (jpeg[at + 1] === 0xc0) return [jpeg.readUInt16BE(at + 7), jpeg.readUInt16BE(at + 5)];
  throw new Error('There is no frame in this JPEG');
}

/** Mean brightness. */
function brightnessOfJpeg(jpeg: Buffer, pixels: number): number {
  const decoder = new CodecContext();
  const codec = Codec.findDecoder(AV_CODEC_ID_MJPEG);
  decoder.allocContext3(codec);
  decoder.open2Sync(codec, null);
  using packet = new Packet();
  packet.alloc();
  packet.data = jpeg;
  using frame = new Frame();
  frame.alloc();
  decoder.sendPacketSync(packet);
  decoder.sendPacketSync(null);
  decoder.receiveFrameSync(frame);
  const luma = frame.toBuffer().subarray(0, pixels);
  decoder.freeContext();
  return luma.reduce((sum, value) => sum + value, 0) / pixels;
}

describe('pictures', () => {
  test('of a short video: a poster, tiles with their times, a preview that moves', async () => {
    const { pictures, context } = await makePictures({ durationSeconds: 9, audio: [] });
    expect(pictures.map(({ name, width, height }) => [name, width, height])).toEqual([
      ['storyboard-1.jpg', 5 * 160, 90],
      ['storyboard.vtt', null, null],
      ['poster.jpg', 320, 180],
      ['preview.webp', 320, 180],
    ]);
    expect(jpegSize(context.bytesOf('poster.jpg'))).toEqual([320, 180]);
    expect(jpegSize(context.bytesOf('storyboard-1.jpg'))).toEqual([800, 90]);
    const vtt = context.bytesOf('storyboard.vtt').toString();
    expect(vtt).toContain('00:00:08.000 --> 00:00:09.000\nstoryboard-1.jpg#xywh=640,0,160,90');
    const preview = context.bytesOf('preview.webp').toString('latin1');
    expect(preview.startsWith('RIFF')).toBe(true);
    expect(preview.split('ANMF').length - 1).toBeGreaterThan(16);
  });

  test('the poster is not the black that a film begins with', async () => {
    const filters = "drawbox=color=black:t=fill:enable='lt(t,2.5)'";
    const { context } = await makePictures({ durationSeconds: 12, video: { filters }, audio: [] });
    expect(brightnessOfJpeg(context.bytesOf('poster.jpg'), 320 * 180)).toBeGreaterThan(60);
  });

  test('one picture is enough, stood upright', async () => {
    const video = { rotation: 90 } as const;
    const { pictures, context } = await makePictures(
      { durationSeconds: 0.04, video, audio: [] },
      { rotation: 90 },
    );
    expect(pictures.map(({ name }) => name)).toContain('preview.webp');
    expect(jpegSize(context.bytesOf('poster.jpg'))).toEqual([180, 320]);
  });

  test.each([
    ['of little bytes is read through', 0],
    ['of many bytes is sought in', 2 ** 30],
  ])('a long video %s, and has all its tiles', async (_, paddingBytes) => {
    const options: ClipOptions = {
      durationSeconds: 310,
      muxerOptions: { movflags: '+faststart' },
      video: { frameRate: '5', width: 160, height: 90, keyframeInterval: 50 },
      audio: [],
    };
    const { pictures, context } = await makePictures(options, {}, paddingBytes);
    expect(pictures.map(({ name }) => name).toSorted()).toEqual([
      'poster.jpg',
      'preview.webp',
      'storyboard-1.jpg',
      'storyboard-2.jpg',
      'storyboard.vtt',
    ]);
    expect(pictures[0]).toMatchObject({ name: 'storyboard-1.jpg', width: 1600, height: 900 });
    expect(context.bytesOf('storyboard.vtt').toString().split('-->').length - 1).toBe(155);
  });

  test('sound alone has none', async () => {
    const bytes = await makeClip({ video: null });
    const context = memoryContext(memorySource(bytes));
    const result = await runTask(
      {
        kind: 'pictures',
        taskId: crypto.randomUUID(),
        videoId: crypto.randomUUID(),
        sourceBytes: bytes.length,
        probe: {
          container: 'any',
          durationSeconds: 2,
          sizeBytes: bytes.length,
          bitRate: null,
          video: null,
          audio: [],
        },
      },
      context,
    );
    expect(result).toEqual({ kind: 'pictures', pictures: [] });
    expect(context.outputs.size).toBe(0);
  });
});

describe('a storyboard', () => {
  test('has at most 400 tiles, at least 2 s apart', () => {
    expect(tilesOf(0.04)).toEqual({ periodSeconds: 2, count: 1 });
    expect(tilesOf(9)).toEqual({ periodSeconds: 2, count: 5 });
    expect(tilesOf(7200)).toEqual({ periodSeconds: 18, count: 400 });
  });

  test('goes on with the next sheet after a hundred tiles', () => {
    const vtt = storyboardVtt({
      count: 102,
      periodSeconds: 40,
      durationSeconds: 4050,
      tileWidth: 160,
      tileHeight: 90,
    });
    expect(vtt).toContain('01:06:40.000 --> 01:07:20.000\nstoryboard-2.jpg#xywh=0,0,160,90');
    expect(vtt).toContain('00:07:20.000 --> 00:08:00.000\nstoryboard-1.jpg#xywh=160,90,160,90');
  });
});

test('a poster scores by contrast, brightness and sharpness', () => {
  const picture = (value: (x: number, y: number) => number) =>
    Uint8Array.from({ length: 64 * 36 }, (_, index) => value(index % 64, Math.floor(index / 64)));
  const sharp = scorePicture(
    picture((x, y) => (((x >> 2) + (y >> 2)) % 2) * 140 + 50),
    64,
    36,
  );
  const blurred = scorePicture(
    picture((x) => 50 + x * 2),
    64,
    36,
  );
  const black = scorePicture(
    picture(() => 2),
    64,
    36,
  );
  const dark = scorePicture(
    picture((x, y) => (((x >> 2) + (y >> 2)) % 2) * 20),
    64,
    36,
  );
  expect(black).toBe(0);
  expect(sharp).toBeGreaterThan(blurred);
  expect(blurred).toBeGreaterThan(dark);
});
