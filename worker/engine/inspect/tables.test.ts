import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { describe, expect, test } from 'vitest';
import { decodeRecipe } from '../../../lib/worker-api/recipe.ts';
import { resultSchema } from '../../../lib/worker-api/tasks.ts';
import { type SourceReader, TaskFailure } from '../../task-context.ts';
import { box, fullBox, u32 } from '../cmaf/boxes.ts';
import { FTYP, filmMoov, type MadeUpFilm, type MadeUpTrack } from '../mp4/testing/film-bytes.ts';
import { memoryContext } from '../testing/memory-context.ts';
import { readFilm } from './film.ts';
import { inspect } from './inspect.ts';
import { saysEverything } from './probe-film.ts';

Log.setLevel(AV_LOG_QUIET);
const ids = {
  taskId: '00000000-0000-4000-8000-000000000000',
  videoId: '00000000-0000-4000-8000-000000000001',
};
const MEDIA_START = 4096;

/** One picture of H.264 wherever somebody looks: a unit as long as the sample. */
function mediaAt(offset: number, length: number, sampleBytes: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x25);
  const view = new DataView(bytes.buffer);
  if (offset === MEDIA_START && length >= 4) view.setUint32(0, sampleBytes - 4);
  return bytes;
}

/** A film whose media nobody wrote: `moov` after it. Counts what is read. */
function filmSource(
  film: MadeUpFilm,
  mediaBytes: number,
): SourceReader & { bytesRead: number; reads: number } {
  const moov = filmMoov(film);
  const head = Buffer.concat([FTYP, box('free', new Uint8Array(MEDIA_START - FTYP.length - 8 - 16))]);
  const mdat = Buffer.alloc(16);
  mdat.writeUInt32BE(1, 0);
  mdat.write('mdat', 4, 'latin1');
  mdat.writeBigUInt64BE(BigInt(mediaBytes + 16), 8);
  const front = Buffer.concat([head, mdat]);
  const size = film.tracks[0]?.size;
  const sampleBytes = typeof size === 'number' ? size : (size?.[0] ?? 0);
  const sizeBytes = MEDIA_START + mediaBytes + moov.length;
  return {
    ...{ sizeBytes, bytesRead: 0, reads: 0 },
    async read(offset, length) {
      const end = Math.min(offset + length, sizeBytes);
      const parts: Uint8Array[] = [];
      if (offset < MEDIA_START) parts.push(front.subarray(offset, end));
      const mediaFrom = Math.max(offset, MEDIA_START);
      const mediaTo = Math.min(end, MEDIA_START + mediaBytes);
      if (mediaTo > mediaFrom) parts.push(mediaAt(mediaFrom, mediaTo - mediaFrom, sampleBytes));
      const moovFrom = MEDIA_START + mediaBytes;
      if (end > moovFrom) parts.push(moov.subarray(Math.max(0, offset - moovFrom), end - moovFrom));
      const bytes = Buffer.concat(parts);
      this.bytesRead += bytes.length;
      this.reads += 1;
      return bytes;
    },
  };
}

async function inspectFilm(film: MadeUpFilm, mediaBytes: number) {
  const source = filmSource(film, mediaBytes);
  const context = memoryContext(source);
  const result = await inspect({ kind: 'inspect', ...ids, sourceBytes: source.sizeBytes }, context);
  resultSchema.parse(result);
  return { result, context, source };
}

/** 25 pictures a second of 100 bytes, a keyframe a second, in one chunk at the beginning. */
function pictures(seconds: number, changes: Partial<MadeUpTrack> = {}): MadeUpTrack {
  return {
    ...{
      kind: 'video',
      timescale: 12_800,
      count: seconds * 25,
      duration: 512,
      size: 100,
      keyframeInterval: 25,
    },
    ...{ chunkSamples: seconds * 25, chunkOffsets: [MEDIA_START] },
    ...changes,
  };
}

/** Frames of 10 bytes in one chunk after the pictures. */
function sound(seconds: number, offset: number, changes: Partial<MadeUpTrack> = {}): MadeUpTrack {
  const count = Math.ceil((seconds * 48_000) / 1024);
  return {
    ...{ kind: 'audio', timescale: 48_000, count, duration: 1024, size: 10 },
    ...{ chunkSamples: count, chunkOffsets: [offset] },
    ...changes,
  };
}

describe('long films', () => {
  test('four hours at 60 pictures a second are planned from their tables alone', async () => {
    const seconds = 4 * 3600;
    const pictureBytes = 20_000;
    const perChunk = 30;
    const count = seconds * 60;
    const chunks = count / perChunk;
    const film = {
      tracks: [
        pictures(0, {
          ...{ timescale: 15_360, duration: 256, count, keyframeInterval: 120, chunkSamples: perChunk },
          size: new Uint32Array(count).fill(pictureBytes),
          chunkOffsets: Array.from(
            { length: chunks },
            (_, chunk) => MEDIA_START + chunk * perChunk * pictureBytes,
          ),
          compositionOffsets: [512, 1024, 256, 256],
          edits: [{ duration: seconds * 1000, mediaTime: 512 }],
        }),
        sound(seconds, MEDIA_START + count * pictureBytes),
      ],
    };
    const { result, source } = await inspectFilm(film, count * pictureBytes + 10 * 700_000);
    expect(result.video!.piece.durations).toHaveLength(seconds / 4);
    expect(result.probe.durationSeconds).toBeCloseTo(seconds, 0);
    expect(source.sizeBytes).toBeGreaterThan(17e9);
    expect(source.bytesRead).toBeLessThan(30e6);
    expect(source.reads).toBeLessThan(20);
  });

  test('beyond what is read of one track are left to others', async () => {
    const track = pictures(10, {
      count: 100_000_000,
      chunkSamples: 100_000_000,
      size: 1,
      keyframeInterval: 1e8,
    });
    expect(await readFilm(filmSource({ tracks: [track] }, 1000))).toBeNull();
  });
});

describe('edit lists', () => {
  const mediaBytes = 25 * 10 * 100 + 5000;
  async function startOfSound(soundChanges: Partial<MadeUpTrack>, pictureChanges: Partial<MadeUpTrack> = {}) {
    const tracks = [pictures(10, pictureChanges), sound(10, MEDIA_START + 25_000, soundChanges)];
    const { result, context } = await inspectFilm({ tracks }, mediaBytes);
    const piece = result.audio[0]!.piece;
    const { header, ranges } = decodeRecipe(context.bytesOf('audio-0').subarray(0, piece.lengths[0]), 1e9);
    const at = Buffer.from(header).indexOf('tfdt');
    return {
      decodeTime: Number(Buffer.from(header).readBigUInt64BE(at + 8)),
      offset: ranges[0]!.offset - MEDIA_START - 25_000,
      result,
    };
  }

  test('what is before the beginning of sound is not heard', async () => {
    const { decodeTime, offset } = await startOfSound({ edits: [{ duration: 0, mediaTime: 2112 }] });
    // Two frames are over by then; the third began 64 ticks before.
    expect([decodeTime, offset]).toEqual([0, 20]);
  });

  test('a pause delays sound', async () => {
    const { decodeTime } = await startOfSound({
      edits: [
        { duration: 500, mediaTime: -1 },
        { duration: 0, mediaTime: 0 },
      ],
    });
    expect(decodeTime).toBe(24_000);
  });

  test('a pause before the pictures moves time 0', async () => {
    const late = {
      edits: [
        { duration: 500, mediaTime: -1 },
        { duration: 0, mediaTime: 0 },
      ],
    };
    const { decodeTime, offset, result } = await startOfSound({}, late);
    expect(result.plan!.boundaries.at(-1)! / 12_800).toBe(10);
    // 23 frames are over after half a second, 0.4 of the next one.
    expect([decodeTime, offset]).toEqual([0, 230]);
  });

  test.each([
    ['that begin between keyframes', [{ duration: 0, mediaTime: 1536 }]],
    [
      'of several parts',
      [
        { duration: 2000, mediaTime: 0 },
        { duration: 2000, mediaTime: 64_000 },
      ],
    ],
  ])('pictures %s are encoded', async (_, edits) => {
    const { result } = await inspectFilm({ tracks: [pictures(10, { edits })] }, mediaBytes);
    expect([result.video, result.copyable.video]).toEqual([null, false]);
    expect(result.plan).not.toBeNull();
  });

  test('pictures that are never shown are no video', async () => {
    const track = pictures(10, { edits: [{ duration: 2000, mediaTime: -1 }] });
    await expect(inspectFilm({ tracks: [track] }, mediaBytes)).rejects.toMatchObject({ code: 'unplayable' });
  });

  test('pictures at the end that are not shown are left out', async () => {
    const { result } = await inspectFilm(
      { tracks: [pictures(10, { edits: [{ duration: 8000, mediaTime: 0 }] })] },
      mediaBytes,
    );
    expect(result.plan!.boundaries.at(-1)! / 12_800).toBe(8);
    expect(result.video).not.toBeNull();
  });
});

describe('layouts', () => {
  test('with a place of its own for each of too many samples are copied instead', async () => {
    const count = 25 * 200;
    const chunkOffsets = Array.from({ length: count }, (_, index) => MEDIA_START + index * 110);
    const track = pictures(200, {
      timescale: 128_000,
      duration: 256,
      keyframeInterval: 5000,
      chunkSamples: 1,
      chunkOffsets,
    });
    const { result } = await inspectFilm({ tracks: [track] }, count * 110);
    expect(result.copyable.video).toBe(true);
    expect(result.video).toBeNull();
  });

  test('with more samples in a segment than a recipe may describe are copied instead', async () => {
    const changes = {
      timescale: 90_000,
      duration: 1,
      count: 60_000,
      chunkSamples: 60_000,
      keyframeInterval: 60_000,
    };
    const { result } = await inspectFilm({ tracks: [pictures(0, changes)] }, 6_000_000);
    expect([result.video, result.copyable.video]).toEqual([null, true]);
  });

  test('with a sound track that is empty do not tell of it', async () => {
    const silent = sound(0, MEDIA_START, { chunkSamples: 1 });
    const { result } = await inspectFilm(
      { tracks: [pictures(10), silent, sound(10, MEDIA_START + 25_000)] },
      40_000,
    );
    expect(result.probe.audio.map(({ index }) => index)).toEqual([1]);
    expect(result.audio.map(({ track }) => track)).toEqual([1]);
  });

  test('with encrypted pictures are refused', async () => {
    const track = pictures(10, { isEncrypted: true });
    await expect(inspectFilm({ tracks: [track] }, 30_000)).rejects.toMatchObject({
      code: 'unplayable',
      message: expect.stringContaining('DRM'),
    });
  });

  test('with media in another file are not played', async () => {
    const { result } = await inspectFilm({ tracks: [pictures(10, { isElsewhere: true })] }, 30_000);
    expect([result.video, result.copyable.video]).toEqual([null, false]);
  });

  test('with something else where pictures should lie are not played as they are', async () => {
    const track = pictures(10, { chunkOffsets: [MEDIA_START + 3] });
    const { result } = await inspectFilm({ tracks: [track] }, 30_000);
    expect(result.video).toBeNull();
  });
});

describe('hostile tables', () => {
  const numbers = (...values: number[]) => u32(...values.map((value) => value >>> 0));
  test.each([
    ['more entries than bytes', { stts: fullBox('stts', 0, 0, numbers(0xffff_ffff, 1, 1)) }],
    ['fewer samples in time than there are', { stts: fullBox('stts', 0, 0, numbers(1, 3, 512)) }],
    ['time that runs backwards', { stts: fullBox('stts', 0, 0, numbers(1, 250, -512)) }],
    ['chunks of no samples', { stsc: fullBox('stsc', 0, 0, numbers(1, 1, 0, 1)) }],
    ['chunks that come twice', { stsc: fullBox('stsc', 0, 0, numbers(2, 1, 1, 1, 1, 1, 1)) }],
    ['chunks before the first', { stsc: fullBox('stsc', 0, 0, numbers(1, 0, 250, 1)) }],
    ['no chunks', { co64: fullBox('co64', 0, 0, numbers(0)) }],
    [
      'a size for each of four thousand million samples',
      { stsz: fullBox('stsz', 0, 0, numbers(1, 0xffff_ffff)) },
    ],
    ['sizes of three bits', { stsz: fullBox('stz2', 0, 0, numbers(3, 250)) }],
    ['no description', { stsd: fullBox('stsd', 0, 0, numbers(0)) }],
    ['a box without a size', { stts: Uint8Array.of(0, 0, 0, 7, ...Buffer.from('stts')) }],
    [
      'a box larger than what it is in',
      { stts: Uint8Array.of(0xff, 0xff, 0xff, 0xff, ...Buffer.from('stts')) },
    ],
    [
      'a box of 2^63 bytes',
      { stts: Uint8Array.of(0, 0, 0, 1, ...Buffer.from('stts'), 0x80, 0, 0, 0, 0, 0, 0, 0) },
    ],
  ])('%s are not believed', async (_, replace) => {
    const film = { tracks: [pictures(10, { replace: replace as unknown as Record<string, Uint8Array> })] };
    expect(await readFilm(filmSource(film, 30_000))).toBeNull();
  });

  test('tracks that have too many samples together are left to others', async () => {
    const many = { count: 5_000_000, chunkSamples: 5_000_000, size: 1, keyframeInterval: 1e8 };
    const tracks = Array.from({ length: 4 }, () => pictures(0, many));
    expect(await readFilm(filmSource({ tracks }, 5_000_000))).toBeNull();
  });

  test('samples beyond the file are not there', async () => {
    const film = { tracks: [pictures(10, { chunkOffsets: [2 ** 62] })] };
    await expect(readFilm(filmSource(film, 30_000))).rejects.toMatchObject({ code: 'unplayable' });
  });

  test('sound whose frames last for years does not keep anyone busy', async () => {
    const tracks = [pictures(10), sound(10, MEDIA_START + 25_000, { timescale: 1, duration: 0x7fff_ffff })];
    await expect(inspectFilm({ tracks }, 40_000)).rejects.toBeInstanceOf(TaskFailure);
  });

  test('boxes without end at the top are not followed', async () => {
    const bytes = new Uint8Array(8 * 1_000_000);
    for (let at = 0; at < bytes.length; at += 8) bytes.set([0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65], at);
    let reads = 0;
    const source: SourceReader = {
      sizeBytes: bytes.length,
      async read(offset, length) {
        reads += 1;
        return bytes.subarray(offset, offset + length);
      },
    };
    expect(await readFilm(source)).toBeNull();
    expect(reads).toBeLessThan(10);
  });

  test('thousands of changed films either are read or are refused, quickly and in little memory', async () => {
    const chunkOffsets = Array.from({ length: 10 }, (_, index) => MEDIA_START + index * 2500);
    const film = {
      tracks: [
        pictures(10, {
          chunkSamples: 25,
          chunkOffsets,
          compositionOffsets: [512, 1024, 0],
          edits: [{ duration: 0, mediaTime: 512 }],
        }),
        sound(10, MEDIA_START + 25_000, { edits: [{ duration: 0, mediaTime: 1024 }] }),
      ],
    };
    const source = filmSource(film, 30_000);
    const whole = await source.read(0, source.sizeBytes);
    const moovStart = MEDIA_START + 30_000;
    const seed = 20_251;
    const random = randomOf(seed);
    let played = 0;
    for (let round = 0; round < 1500; round++) {
      const bytes = Uint8Array.from(whole);
      for (let change = 0; change <= random(4); change++) {
        const at = moovStart + random(bytes.length - moovStart);
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)]!;
      }
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const context = memoryContext({ sizeBytes: bytes.length, read });
      try {
        const film = await readFilm(context.source);
        // What FFmpeg says of the others is not asked thousands of times.
        if (film === null || !saysEverything(film)) continue;
        if ((await inspectWhole(context, bytes.length)).video !== null) played += 1;
      } catch (error) {
        expect(error, `round ${round} of seed ${seed}`).toBeInstanceOf(TaskFailure);
      }
    }
    expect(played).toBeGreaterThan(150);
  });
});

async function inspectWhole(context: ReturnType<typeof memoryContext>, sourceBytes: number) {
  const result = await inspect({ kind: 'inspect', ...ids, sourceBytes }, context);
  resultSchema.parse(result);
  for (const made of [result.video, ...result.audio]) {
    if (made === null) continue;
    let at = 0;
    for (const length of made.piece.lengths) {
      decodeRecipe(context.bytesOf(made.piece.output).subarray(at, at + length), sourceBytes);
      at += length;
    }
  }
  return result;
}

/** A generator of whole numbers below a bound: the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
