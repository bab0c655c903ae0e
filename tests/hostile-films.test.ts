import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../lib/logging/logger.ts';
import { makeClip } from '../worker/engine/testing/clips.ts';
import * as hostile from '../worker/engine/testing/hostile-films.ts';
import { TaskChild } from '../worker/task-child.ts';
import type { FuzzResult } from '../worker/test-support/fuzz-engine.ts';
import { Worker } from '../worker/worker.ts';
import { type Fate, LendingCoordinator } from './support/lending-coordinator.ts';

/*
 * Real files that were made to exhaust whoever reads them, with a worker as it is: its children, its engine, its limits.
 */

const MEMORY_MIB = 700;
const ENGINE = new URL('../worker/engine/run-task.ts', import.meta.url).href;
let coordinator: LendingCoordinator;
let worker: Worker;
beforeAll(async () => {
  coordinator = new LendingCoordinator();
  worker = await workerOf(coordinator, 60_000);
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await coordinator[Symbol.asyncDispose]();
});

async function workerOf(lender: LendingCoordinator, taskTimeoutMs: number): Promise<Worker> {
  const config = {
    coordinatorUrl: await lender.listen(),
    ...{ token: 'a-token-of-the-tests', name: 'worker', concurrency: 1, taskMemory: MEMORY_MIB * 2 ** 20 },
    ...{ stallTimeoutMs: 30_000, taskTimeoutMs, stopGraceMs: 0, logLevel: 'silent' },
  };
  const logger = createLogger({ name: 'worker', level: 'silent' });
  const started = new Worker({ config, engine: ENGINE, logger });
  started.start();
  return started;
}

const unplayable = (reason: string) => ({ kind: 'inspect', code: 'unplayable', reason, retryable: false });
const TOO_MUCH_MEMORY = {
  code: 'failed',
  reason: `It needed more than ${MEMORY_MIB} MiB of memory.`,
  retryable: false,
};
const TOO_MANY_PARTS = unplayable('This video is put together from too many parts.');

const films: readonly [string, () => Buffer, Fate | object][] = [
  [
    'pictures larger than any decoder takes',
    hostile.hugePictures,
    unplayable('The pictures of this file are too large: 16384 x 16384 pixels.'),
  ],
  ['pictures of which a decoder has to keep gigabytes', hostile.manyLargePictures, TOO_MUCH_MEMORY],
  ['more samples than bytes, for which tables are made', hostile.manySamples, TOO_MUCH_MEMORY],
  [
    'four billion samples in a kilobyte',
    hostile.billionsOfSamples,
    unplayable('There is nothing in this file that could be shown.'),
  ],
  [
    'four billion offsets in a kilobyte',
    hostile.billionsOfOffsets,
    unplayable('This file is not a video or sound that can be read, or it is damaged.'),
  ],
  ['10^9 seconds', hostile.endlessMp4, unplayable('This file says that it lasts 277778 hours.')],
  ['10^9 seconds by its header alone', hostile.boastfulMatroska, 'ready'],
  ['ten pictures after 10^9 seconds', hostile.endlessMatroska, 'ready'],
  ['thousands of edits', () => hostile.editsWithoutEnd(20_000, 100), TOO_MANY_PARTS],
  ['edits that show everything over and over', () => hostile.editsWithoutEnd(1000, 5000), TOO_MANY_PARTS],
  ['lists of themselves', hostile.listsOfThemselves, 'ready'],
  ['elements in elements without end', hostile.nestedWithoutEnd, 'ready'],
  ['hundreds of slices a picture', hostile.manySlices, 'ready'],
  [
    'samples that inflate to a thousand times their size',
    hostile.inflatingSamples,
    { code: 'failed', reason: 'No picture of the video could be decoded.', retryable: false },
  ],
];

test.each(films)('a film with %s', async (_, make, fate) => {
  const became = await coordinator.transcode(make());
  if (typeof fate === 'string') expect(became).toBe(fate);
  else expect(became).toMatchObject(fate);
});

test('after all of them the worker makes a film as ever', async () => {
  expect(await coordinator.transcode(await makeClip({ durationSeconds: 1 }))).toBe('ready');
});

test('a film that keeps a decoder busy for too long', async () => {
  await using lender = new LendingCoordinator();
  await using _hasty = await workerOf(lender, 1000);
  expect(await lender.transcode(hostile.laboriousPictures())).toMatchObject({
    ...{ code: 'failed', reason: 'It took longer than 1 s.', retryable: false },
  });
  expect(await lender.transcode(await makeClip({ durationSeconds: 0.2, video: null }))).toBe('ready');
});

test('damaged files of all kinds are used as far as they go, or refused in words', async () => {
  const engine = new URL('../worker/test-support/fuzz-engine.ts?seed=1&count=48', import.meta.url).href;
  const limits = { memoryBytes: 2 ** 30, stallMs: 30_000, totalMs: 60_000 };
  const child = new TaskChild(engine, limits);
  try {
    await child.ready();
    const task = { kind: 'inspect' as const, taskId: '', videoId: '', sourceBytes: 1 };
    const where = { sourceUrl: '/', coordinatorUrl: 'http://127.0.0.1:9', token: '', cores: 1 };
    const outcome = await child.run({ type: 'task', task, fence: 1, ...where }, () => {});
    const result = 'result' in outcome ? (outcome.result as unknown as FuzzResult) : outcome;
    expect(result).toMatchObject({ unexpected: [] });
    const { made, refused } = result as FuzzResult;
    expect(Math.min(made, refused)).toBeGreaterThan(5);
  } finally {
    child.kill();
    await child.exited;
  }
});
