import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ManualClock, settle } from '../../coordinator/cluster/test-support/manual-clock.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import { recordingLogger } from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import { NO_SCRUB_YET, type ScrubLog, type ScrubRecord, scrubLogIn } from './scrub-log.ts';
import { Scrubber, type ScrubberOptions } from './scrubber.ts';

const HOUR_MS = 3_600_000;
const LENGTH = 100_000;
const CHUNKS = 8;

/** Chunks at every eighth of the positions, on simulated time. */
async function setUp() {
  const clock = new ManualClock();
  const repository = new MemoryVideoRepository({ capacityBytes: 64 * 1024 * 1024, clock });
  for (let number = 0; number < CHUNKS; number++) {
    const position = (number / CHUNKS) * 2 ** 32;
    await repository.put({ position, id: idOf(number), bytes: bytesOf(number, LENGTH) });
  }
  const saved: ScrubRecord[] = [];
  const log: ScrubLog = {
    load: async () => saved.at(-1) ?? NO_SCRUB_YET,
    save: async (record) => void saved.push(record),
  };
  const open = async (options: Partial<ScrubberOptions> = {}) => {
    const scrubber = await Scrubber.open({
      repository,
      log,
      bytesPerSecond: LENGTH,
      intervalMs: HOUR_MS,
      clock,
      logger: recordingLogger().logger,
      ...options,
    });
    onTestFinished(() => scrubber[Symbol.asyncDispose]());
    scrubber.run();
    await settle();
    return scrubber;
  };
  const damage = (number: number) => repository.damage((number / CHUNKS) * 2 ** 32, idOf(number), 5);
  return { clock, repository, saved, open, damage };
}

it('goes through everything at the rate it was given, and begins anew an interval after it began', async () => {
  const { clock, open, damage } = await setUp();
  const startMs = clock.nowMs();
  const scrubber = await open();
  expect(scrubber.status).toMatchObject({ state: 'running', checkedChunks: 1, lastFinishedAt: null });
  await clock.advance(3000);
  expect(scrubber.status).toMatchObject({
    state: 'running',
    checkedChunks: 4,
    checkedBytes: 4 * LENGTH,
    foundCorrupt: 0,
    progress: 3 / CHUNKS,
    bytesPerSecond: LENGTH,
  });
  damage(6);
  damage(1);
  await clock.advance(4000);
  expect(scrubber.status).toEqual({
    state: 'idle',
    passStartedAt: new Date(startMs).toISOString(),
    lastFinishedAt: new Date(startMs + 7000).toISOString(),
    lastFinishedStartedAt: new Date(startMs).toISOString(),
    progress: 1,
    checkedChunks: CHUNKS,
    checkedBytes: CHUNKS * LENGTH,
    foundCorrupt: 1,
    bytesPerSecond: LENGTH,
  });
  await clock.advance(HOUR_MS - 7001);
  expect(scrubber.status.state).toBe('idle');
  await clock.advance(1);
  expect(scrubber.status).toMatchObject({ state: 'running', foundCorrupt: 0 });
  await clock.advance(10_000);
  expect(scrubber.status).toMatchObject({ state: 'idle', foundCorrupt: 1, checkedChunks: CHUNKS - 1 });
});

it('goes on after a restart where it stood, and remembers the last pass', async () => {
  const { clock, saved, open } = await setUp();
  const first = await open();
  await clock.advance(3000);
  const before = first.status;
  await first[Symbol.asyncDispose]();
  expect(saved).toHaveLength(1);
  const second = await open();
  expect(second.status.passStartedAt).toBe(before.passStartedAt);
  await clock.advance(10_000);
  const done = second.status;
  expect(done).toMatchObject({ state: 'idle', checkedChunks: CHUNKS, checkedBytes: CHUNKS * LENGTH });
  await second[Symbol.asyncDispose]();
  const third = await open();
  expect(third.status).toEqual(done);
});

it('saves now and then while it runs, not after every chunk', async () => {
  const { clock, saved, open } = await setUp();
  await open({ bytesPerSecond: LENGTH / 30 });
  await clock.advance(200_000);
  expect(saved.length).toBeGreaterThanOrEqual(2);
  expect(saved.length).toBeLessThanOrEqual(4);
});

it('pauses, resumes at another rate, and starts over when told so', async () => {
  const { clock, open } = await setUp();
  const scrubber = await open();
  await clock.advance(2000);
  scrubber.control({ action: 'pause' });
  await clock.advance(HOUR_MS * 3);
  const paused = scrubber.status;
  expect(paused.state).toBe('paused');
  expect(paused.checkedChunks).toBeLessThan(5);
  scrubber.control({ action: 'resume', bytesPerSecond: 2 * LENGTH });
  await clock.advance(1000);
  expect(scrubber.status).toMatchObject({ state: 'running', bytesPerSecond: 2 * LENGTH });
  expect(scrubber.status.checkedChunks).toBe(paused.checkedChunks + 3);
  scrubber.control({ action: 'start' });
  await clock.advance(1000);
  expect(scrubber.status.passStartedAt).not.toBe(paused.passStartedAt);
  expect(scrubber.status.checkedChunks).toBeLessThan(5);
  await clock.advance(10_000);
  expect(scrubber.status).toMatchObject({ state: 'idle', checkedChunks: CHUNKS });
  scrubber.control({ action: 'pause' });
  expect(scrubber.status.state).toBe('paused');
});

it('does nothing at rate 0 until it is told to start', async () => {
  const { clock, open } = await setUp();
  const scrubber = await open({ bytesPerSecond: 0 });
  await clock.advance(HOUR_MS * 50);
  expect(scrubber.status).toMatchObject({ state: 'off', passStartedAt: null, progress: 0 });
  scrubber.control({ action: 'start' });
  await clock.advance(HOUR_MS / 2);
  expect(scrubber.status).toMatchObject({ state: 'idle', checkedChunks: CHUNKS });
});

it('tries again later when the scrub fails as a whole', async () => {
  const { clock, repository, open } = await setUp();
  let failures = 2;
  const scrubber = await open({
    repository: {
      scrub(options) {
        if (failures-- > 0) throw new Error('the index is closed');
        return repository.scrub(options);
      },
    },
  });
  expect(scrubber.status).toMatchObject({ state: 'running', checkedChunks: 0 });
  await clock.advance(HOUR_MS / 2);
  expect(scrubber.status).toMatchObject({ state: 'idle', checkedChunks: CHUNKS });
});

it('keeps its record in a file, and does without one that is not usable', async () => {
  const directory = await temporaryDirectory();
  const { logger, lines } = recordingLogger();
  const log = scrubLogIn(directory, logger);
  expect(await log.load()).toEqual(NO_SCRUB_YET);
  const record = { ...NO_SCRUB_YET, passStartedMs: 5, unfinished: { cursor: `00000001-${idOf(1)}` } };
  await log.save(record);
  expect(await log.load()).toEqual(record);
  expect(lines).toEqual([]);
  for (const text of ['', '{', JSON.stringify({ ...record, formatVersion: 2 })]) {
    await writeFile(join(directory, 'scrub.json'), text);
    expect(await log.load()).toEqual(NO_SCRUB_YET);
  }
  expect(lines).toHaveLength(3);
});
