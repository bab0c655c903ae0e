import { expect, test } from 'vitest';
import type { ChunkRef } from '../objects/manifest.ts';
import { DurablePrefix } from './durable-prefix.ts';

function chunk(id: string, length = 10): ChunkRef {
  return { id, position: 0, length, checksum: 0 };
}

/** Everything that is ready happens. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

function create(options: { firstBytesMin?: number; isOpen?: boolean; failAt?: number } = {}) {
  const batches: string[][] = [];
  const waiting: (() => void)[] = [];
  const prefix = new DurablePrefix({
    persist: async (chunks) => {
      batches.push(chunks.map(({ id }) => id));
      if (batches.length === options.failAt) throw new Error('no database');
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    firstBytesMin: options.firstBytesMin ?? 0,
    isOpen: options.isOpen ?? true,
  });
  const add = (id: string, length?: number) => {
    const acknowledged = Promise.withResolvers<void>();
    prefix.add(chunk(id, length), acknowledged.promise);
    return acknowledged;
  };
  const finish = async () => {
    waiting.shift()?.();
    await turn();
  };
  return { prefix, batches, add, finish };
}

test('chunks are noted in order, however they are acknowledged, one batch at a time', async () => {
  const { prefix, batches, add, finish } = create();
  const [a, b, c, d] = [add('a'), add('b'), add('c'), add('d')];
  b.resolve();
  c.resolve();
  await turn();
  expect(batches).toEqual([]);
  a.resolve();
  d.resolve();
  await turn();
  expect(batches).toEqual([['a', 'b', 'c']]);
  const drained = prefix.drain();
  await finish();
  await finish();
  expect(batches).toEqual([['a', 'b', 'c'], ['d']]);
  await drained;
  expect(prefix.persistedBytes).toBe(40);
  const [e, f] = [add('e'), add('f')];
  e.resolve();
  await turn();
  f.resolve();
  await turn();
  expect(batches.at(-1)).toEqual(['e']);
  await finish();
  await finish();
  expect(batches.at(-1)).toEqual(['f']);
});

test('what is behind a chunk that failed is never noted, what is before it still is', async () => {
  const { prefix, batches, add, finish } = create();
  const [a, b, c] = [add('a'), add('b'), add('c')];
  c.resolve();
  b.reject(new Error('no quorum'));
  await turn();
  a.resolve();
  add('d').resolve();
  await turn();
  await finish();
  expect(batches).toEqual([['a']]);
  await expect(prefix.drain()).rejects.toThrow('no quorum');
  expect(['a', 'b', 'c', 'd'].map((id) => prefix.wasNamed(chunk(id)))).toEqual([true, false, false, false]);
});

test('nothing is noted before it is opened', async () => {
  const { prefix, batches, add, finish } = create({ isOpen: false });
  add('a').resolve();
  await turn();
  expect(batches).toEqual([]);
  prefix.open();
  await finish();
  expect(batches).toEqual([['a']]);
});

test('the first batch is as long as what it replaces', async () => {
  const { batches, add, finish } = create({ firstBytesMin: 25 });
  for (const id of ['a', 'b']) add(id).resolve();
  await turn();
  expect(batches).toEqual([]);
  add('c').resolve();
  await turn();
  await finish();
  expect(batches).toEqual([['a', 'b', 'c']]);
});

test('a note that failed may have been taken, and is the last', async () => {
  const { prefix, batches, add } = create({ failAt: 1 });
  add('a').resolve();
  await turn();
  add('b').resolve();
  await turn();
  await expect(prefix.drain()).rejects.toThrow('no database');
  expect(batches).toEqual([['a']]);
  expect(prefix.wasNamed(chunk('a'))).toBe(true);
  expect(prefix.persistedBytes).toBe(0);
});
