import { describe, expect, test } from 'vitest';
import { LoadingCache } from './loading-cache.ts';

interface Entry {
  readonly id: string;
  readonly state: number;
}

/** A cache whose loads are finished by the test. */
function createCache(limits: { maxEntries?: number; maxWeight?: number } = {}) {
  const loads: { id: string; resolve: (entry: Entry | null) => void; reject: (error: Error) => void }[] = [];
  const cache = new LoadingCache<Entry>({
    load: (id) => new Promise((resolve, reject) => loads.push({ id, resolve, reject })),
    weightOf: (entry) => entry.state,
    maxEntries: limits.maxEntries ?? 10,
    maxWeight: limits.maxWeight ?? 1000,
  });
  const put = async (id: string, state: number) => {
    const got = cache.get(id);
    loads.at(-1)!.resolve({ id, state });
    await got;
  };
  return { cache, loads, put };
}

describe('loading', () => {
  test('those who miss together share one load, later ones are served from memory', async () => {
    const { cache, loads } = createCache();
    const both = Promise.all([cache.get('a'), cache.get('a')]);
    expect(cache.peek('a')).toBeUndefined();
    loads[0]!.resolve({ id: 'a', state: 1 });
    expect(await both).toEqual([
      { id: 'a', state: 1 },
      { id: 'a', state: 1 },
    ]);
    expect(await cache.get('a')).toEqual({ id: 'a', state: 1 });
    expect(loads).toHaveLength(1);
  });

  test('neither an absence nor a failure is kept', async () => {
    const { cache, loads } = createCache();
    const absent = cache.get('a');
    loads[0]!.resolve(null);
    expect(await absent).toBeNull();
    const failed = cache.get('a');
    loads[1]!.reject(new Error('no database'));
    await expect(failed).rejects.toThrow('no database');
    const found = cache.get('a');
    loads[2]!.resolve({ id: 'a', state: 1 });
    expect(await found).toEqual({ id: 'a', state: 1 });
  });
});

test('what was made here takes the place of what is loaded, also of what is on its way', async () => {
  const { cache, loads } = createCache({ maxWeight: 5 });
  const under = cache.get('a');
  cache.put('a', { id: 'a', state: 2 });
  loads[0]!.resolve({ id: 'a', state: 1 });
  expect(await under).toEqual({ id: 'a', state: 1 });
  expect(cache.peek('a')).toEqual({ id: 'a', state: 2 });
  cache.put('b', { id: 'b', state: 3 });
  expect(cache.weight).toBe(5);
  cache.put('a', { id: 'a', state: 3 });
  expect(cache.peek('b')).toBeUndefined();
  expect(cache.weight).toBe(3);
});

describe('invalidation', () => {
  test('the next reader loads again', async () => {
    const { cache, loads, put } = createCache();
    await put('a', 1);
    cache.invalidate('a');
    expect(cache.peek('a')).toBeUndefined();
    await put('a', 2);
    expect(cache.peek('a')).toEqual({ id: 'a', state: 2 });
    expect(loads).toHaveLength(2);
  });

  test.each(['invalidate', 'clear'] as const)('%s during a load: the old value is not kept', async (how) => {
    const { cache, loads } = createCache();
    const early = cache.get('a');
    if (how === 'clear') cache.clear();
    else cache.invalidate('a');
    const late = cache.get('a');
    expect(loads).toHaveLength(2);
    loads[1]!.resolve({ id: 'a', state: 2 });
    expect(await late).toEqual({ id: 'a', state: 2 });
    // The load that began before answers last.
    loads[0]!.resolve({ id: 'a', state: 1 });
    expect(await early).toEqual({ id: 'a', state: 1 });
    expect(cache.peek('a')).toEqual({ id: 'a', state: 2 });
    expect(cache.size).toBe(1);
  });

  test('an overtaken load alone leaves nothing behind', async () => {
    const { cache, loads } = createCache();
    const early = cache.get('a');
    cache.invalidate('a');
    loads[0]!.resolve({ id: 'a', state: 1 });
    await early;
    expect(cache.size).toBe(0);
  });

  test('a failing overtaken load does not disturb its successor', async () => {
    const { cache, loads } = createCache();
    const early = cache.get('a');
    cache.invalidate('a');
    const late = cache.get('a');
    loads[0]!.reject(new Error('no database'));
    await expect(early).rejects.toThrow('no database');
    const joined = cache.get('a');
    loads[1]!.resolve({ id: 'a', state: 2 });
    expect(await Promise.all([late, joined])).toEqual([
      { id: 'a', state: 2 },
      { id: 'a', state: 2 },
    ]);
    expect(loads).toHaveLength(2);
  });
});

describe('bounds', () => {
  test('the least recently used entry goes first', async () => {
    const { cache, put } = createCache({ maxEntries: 2 });
    await put('a', 1);
    await put('b', 1);
    cache.peek('a');
    await put('c', 1);
    expect(cache.size).toBe(2);
    expect(cache.peek('b')).toBeUndefined();
    expect(cache.peek('a')).toBeDefined();
    expect(cache.peek('c')).toBeDefined();
  });

  test('weight counts, and comes back when entries go', async () => {
    const { cache, put } = createCache({ maxWeight: 10 });
    await put('a', 4);
    await put('b', 4);
    await put('c', 4);
    expect(cache.peek('a')).toBeUndefined();
    cache.invalidate('b');
    await put('d', 6);
    expect(cache.size).toBe(2);
    cache.clear();
    await put('e', 10);
    await put('f', 0);
    expect(cache.size).toBe(2);
  });

  test('an entry heavier than the cache is kept alone', async () => {
    const { cache, put } = createCache({ maxWeight: 10 });
    await put('a', 1);
    await put('b', 100);
    expect(cache.size).toBe(1);
    expect(cache.peek('b')).toBeDefined();
    await put('c', 1);
    expect(cache.size).toBe(1);
    expect(cache.peek('c')).toBeDefined();
  });
});
