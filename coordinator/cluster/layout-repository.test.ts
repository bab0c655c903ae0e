import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assign, type Layout } from '../../lib/hashring/index.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { LayoutRepository } from './layout-repository.ts';

const members = ['a', 'b', 'c', 'd'].map((id) => ({ id, zone: id, weight: 1 }));
const layoutOf = (epoch: number, previous: Layout | null = null) =>
  assign(previous, members, { epoch, replicas: 3, rangeCount: 32 });

describe.each(ENGINES)('layouts on %s', (engine) => {
  let handle: DatabaseHandle;
  let layouts: LayoutRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    layouts = new LayoutRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(() => handle.kysely.deleteFrom('layouts').execute());

  test('there is none at first', async () => {
    expect(await layouts.latest()).toBeNull();
    expect(await layouts.latestEpoch()).toBe(0);
    expect(await layouts.byEpoch(1)).toBeNull();
  });

  test('layouts come back as they went in, by epoch and as the latest', async () => {
    const first = layoutOf(1);
    const second = layoutOf(2, first);
    await layouts.append(first);
    await layouts.append(second);
    expect(await layouts.latestEpoch()).toBe(2);
    expect(await layouts.latest()).toEqual(second);
    expect(await layouts.byEpoch(1)).toEqual(first);
  });

  test('only the next epoch may follow', async () => {
    await expect(layouts.append(layoutOf(2))).rejects.toMatchObject({ code: 'conflict', retryable: true });
    await layouts.append(layoutOf(1));
    for (const epoch of [1, 3, 4]) {
      await expect(layouts.append(layoutOf(epoch))).rejects.toMatchObject({ code: 'conflict' });
    }
    await layouts.append(layoutOf(2));
  });

  test('of many that append the same epoch one succeeds', async () => {
    for (let epoch = 1; epoch <= 3; epoch++) {
      const attempts = Array.from({ length: 6 }, () => layouts.append(layoutOf(epoch)));
      const results = await Promise.allSettled(attempts);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' });
      }
    }
    expect(await layouts.latestEpoch()).toBe(3);
  });

  test('a conflict leaves its transaction usable, and a rollback takes the layout back', async () => {
    await layouts.append(layoutOf(1));
    const undone = handle.kysely.transaction().execute(async (transaction) => {
      await expect(layouts.append(layoutOf(1), transaction)).rejects.toMatchObject({ code: 'conflict' });
      await layouts.append(layoutOf(2), transaction);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await layouts.latestEpoch()).toBe(1);
  });
});
