import { expect, test } from 'vitest';
import { RangeDigester } from '../../storage-node/repository/range-digester.ts';
import { type Interval, WHOLE_RING } from '../cluster/node-inventory.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { COMPARE_PAGE_CHUNKS } from './limits.ts';
import { digestOf, listManifests, listNode, missingFrom } from './listing.ts';
import { chunkOf, MemoryNodes } from './test-support/memory-nodes.ts';

const never = new AbortController().signal;

async function* stream(chunks: readonly ChunkRef[]): AsyncGenerator<ChunkRef> {
  yield* chunks;
}

async function collect<Item>(items: AsyncGenerator<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const at = (position: number, id: string, checksum = 1): ChunkRef => ({ position, id, length: 10, checksum });
const idsOf = (chunks: readonly ChunkRef[]) => chunks.map(({ id }) => id);

test.each([
  ['nothing is missing', ['a', 'b', 'c'], ['a', 'b', 'c'], []],
  ['everything is missing', ['a', 'b'], [], ['a', 'b']],
  ['something in the middle is missing', ['a', 'b', 'c'], ['a', 'c'], ['b']],
  ['the end is missing', ['a', 'b', 'c'], ['a'], ['b', 'c']],
  ['there is more than was wanted', ['b', 'd'], ['a', 'b', 'c', 'e'], ['d']],
  ['nothing was wanted', [], ['a'], []],
])('listings are compared in order: %s', async (_, wanted, present, missing) => {
  const chunks = (ids: readonly string[]) => ids.map((id) => at(5, id));
  expect(idsOf(await collect(missingFrom(stream(chunks(wanted)), stream(chunks(present)))))).toEqual(missing);
});

test('the position comes before the id in the order', async () => {
  const wanted = [at(1, 'z'), at(2, 'a'), at(2, 'b'), at(0xffff_ffff, 'a')];
  const missing = await collect(missingFrom(stream(wanted), stream([at(1, 'z'), at(2, 'b')])));
  expect(missing).toEqual([at(2, 'a'), at(0xffff_ffff, 'a')]);
});

test('a chunk with other contents is missing', async () => {
  const wanted = [at(1, 'a', 1), at(2, 'b', 1), at(3, 'c', 1)];
  const present = [at(1, 'a', 2), { ...at(2, 'b', 1), length: 11 }, at(3, 'c', 1)];
  expect(idsOf(await collect(missingFrom(stream(wanted), stream(present))))).toEqual(['a', 'b']);
});

test('a digest is what a storage node says of the same chunks', async () => {
  const chunks = [at(0, 'aaaaaaaa', 0), at(0x0a, 'bbbbbbbb', 0xffff_ffff), at(0xffff_ffff, 'cccccccc', 0x0f)];
  for (const some of [[], chunks.slice(0, 1), chunks]) {
    const digester = new RangeDigester();
    for (const chunk of some) digester.add({ ...chunk, createdAt: 12345 });
    expect(await digestOf(stream(some))).toBe(digester.result().digest);
  }
});

test("a node's listing is read page by page, to its end", async () => {
  const nodes = new MemoryNodes();
  const node = nodes.add('a');
  const chunks = Array.from({ length: 2 * COMPARE_PAGE_CHUNKS }, (_, index) => chunkOf(`chunk-${index}`));
  nodes.put(['a'], ...chunks);
  const listed = await collect(listNode(nodes, node, WHOLE_RING, never));
  expect(listed).toHaveLength(chunks.length);
  expect(new Set(idsOf(listed))).toEqual(new Set(idsOf(chunks)));
  const half: Interval = { first: 0, last: 0x7fff_ffff };
  expect(idsOf(await collect(listNode(nodes, node, half, never))).sort()).toEqual(
    idsOf(chunks.filter(({ position }) => position <= half.last)).sort(),
  );
});

test('a listing whose cursor stands still is given up', async () => {
  const inventory = { list: async () => ({ chunks: [], nextCursor: 'here' }) };
  const node = new MemoryNodes().add('a');
  await expect(collect(listNode(inventory, node, WHOLE_RING, never))).rejects.toThrow('does not end');
});

test('manifests are read page by page, from behind the last chunk', async () => {
  const all = Array.from({ length: COMPARE_PAGE_CHUNKS + 1 }, (_, index) => at(index, `chunk-${index}`));
  const asked: (ChunkRef | null)[] = [];
  const objects = {
    chunksBetween: async (
      { first, last }: Interval,
      { after, limit }: { after: ChunkRef | null; limit: number },
    ) => {
      asked.push(after);
      const from = after === null ? first : after.position + 1;
      return all.filter(({ position }) => position >= from && position <= last).slice(0, limit);
    },
  };
  expect(await collect(listManifests(objects, WHOLE_RING))).toEqual(all);
  expect(asked).toEqual([null, all[COMPARE_PAGE_CHUNKS - 1]]);
});
