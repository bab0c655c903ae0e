import { expect, test } from 'vitest';
import { WHOLE_RING } from '../cluster/node-inventory.ts';
import type { NodeHealth } from '../cluster/placement.ts';
import { RangeCopier } from './range-copier.ts';
import { createCopyWorld } from './test-support/copy-world.ts';
import { chunkOf } from './test-support/memory-nodes.ts';

const never = new AbortController().signal;
const chunks = Array.from({ length: 6 }, (_, index) => chunkOf(`0000000${index}`, 100 + index));
const [first, second, third] = chunks as [(typeof chunks)[0], (typeof chunks)[0], (typeof chunks)[0]];
const bytesOf = (some: typeof chunks) => some.reduce((sum, { length }) => sum + length, 0);

/** Old owners `a`, `b` and `c`, a stranger `d`, and `new`, which is to get the range. */
function createWorld() {
  const world = createCopyWorld(['a', 'b', 'c', 'd', 'new'], ['a', 'b', 'c']);
  const health = new Map<string, NodeHealth>();
  const givenUp = new Set<string>();
  const copier = new RangeCopier({
    inventory: world.nodes,
    objects: world.objects,
    placement: {
      readSourcesOf: world.readSourcesOf,
      healthOf: (id) => health.get(id) ?? 'up',
    },
    isGivenUp: (id) => givenUp.has(id),
  });
  const progress: [number, number][] = [];
  const copy = (sources = ['a', 'b', 'c'], signal = never) =>
    copier.copy(
      {
        interval: WHOLE_RING,
        target: world.nodes.at('new'),
        sources: sources.map((id) => world.nodes.at(id)),
        bytesPerSecond: undefined,
        concurrency: 2,
      },
      (copied, bytes) => progress.push([copied, bytes]),
      signal,
    );
  const held = () => [...world.nodes.at('new').chunks.keys()].sort();
  return { ...world, health, givenUp, copy, held, progress };
}

const idsOf = (some: typeof chunks) => some.map(({ id }) => id).sort();

test('the target gets everything that the sources hold, each chunk once', async () => {
  const { nodes, copy, held, manifests, progress } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  expect(await copy()).toEqual({ chunks: 6, bytes: bytesOf(chunks), lostChunks: 0 });
  expect(held()).toEqual(idsOf(chunks));
  expect(progress.at(-1)).toEqual([6, bytesOf(chunks)]);
  // The others have nothing to add, and are not asked for anything.
  expect(nodes.calls).toEqual(['pull new from a']);
});

test('what the target has already is not copied again', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  nodes.put(['new'], ...chunks.slice(0, 4));
  manifests.push(...chunks);
  expect(await copy()).toMatchObject({ chunks: 2 });
  expect(held()).toEqual(idsOf(chunks));
  nodes.calls.length = 0;
  expect(await copy()).toEqual({ chunks: 0, bytes: 0, lostChunks: 0 });
  expect(nodes.calls).toEqual([]);
});

test('chunks that a write left on some of the sources only are found, committed or open', async () => {
  const { nodes, copy, held, manifests, open } = createWorld();
  nodes.put(['a', 'b'], first);
  nodes.put(['b', 'c'], second);
  nodes.put(['a', 'c'], third);
  manifests.push(first);
  open.add(second.id).add(third.id);
  await copy();
  expect(held()).toEqual(idsOf([first, second, third]));
});

test('a chunk that lies only on a node that is no source is fetched because a manifest names it', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], first);
  nodes.put(['d'], second);
  manifests.push(first, second);
  expect(await copy()).toMatchObject({ chunks: 2, lostChunks: 0 });
  expect(held()).toEqual(idsOf([first, second]));
});

test('what nobody needs is no reason to fail', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], first);
  nodes.put(['b'], second);
  nodes.put(['new'], third);
  manifests.push(first);
  await copy();
  expect(held()).toContain(first.id);
});

test('a chunk that is damaged on one source comes from another', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  nodes.at('a').corrupt.add(third.id);
  expect(await copy()).toMatchObject({ lostChunks: 0 });
  expect(held()).toEqual(idsOf(chunks));
});

test('a source that the target cannot reach is made up for by the others', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  nodes.cut('a', 'new');
  expect(await copy()).toMatchObject({ lostChunks: 0 });
  expect(held()).toEqual(idsOf(chunks));
});

test('while what only an unreachable source has is missing, the range is not complete', async () => {
  const { nodes, copy, open } = createWorld();
  nodes.put(['a'], first);
  open.add(first.id);
  nodes.cut('a', 'new');
  await expect(copy()).rejects.toMatchObject({ code: 'copy_incomplete', retryable: true });
  nodes.cuts.clear();
  await expect(copy()).resolves.toMatchObject({ chunks: 1 });
});

test('a listing that leaves out a chunk does not deceive it: the other sources list it', async () => {
  const { nodes, copy, held, open } = createWorld();
  nodes.put(['a', 'b'], ...chunks);
  for (const { id } of chunks) open.add(id);
  nodes.at('a').lies.listings = 5;
  await copy();
  expect(held()).toEqual(idsOf(chunks));
});

test('a wrong digest costs a comparison and no chunk', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  nodes.at('b').lies.digests = 2;
  await copy();
  expect(held()).toEqual(idsOf(chunks));
});

test('a chunk that is on no node is lost, is told, and holds nothing up', async () => {
  const { nodes, copy, held, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], first);
  manifests.push(first, second, third);
  expect(await copy()).toMatchObject({ chunks: 1, lostChunks: 2 });
  expect(held()).toEqual([first.id]);
});

test('a chunk that may be on a node which is away is waited for', async () => {
  const { nodes, copy, manifests, health } = createWorld();
  nodes.put(['a', 'b', 'c'], first);
  nodes.put(['d'], second);
  manifests.push(first, second);
  health.set('d', 'down');
  await expect(copy()).rejects.toMatchObject({ code: 'copy_incomplete', retryable: true });
  health.set('d', 'up');
  nodes.at('d').fault = 'dead';
  await expect(copy()).rejects.toMatchObject({ code: 'copy_incomplete' });
  nodes.at('d').fault = 'none';
  await expect(copy()).resolves.toMatchObject({ chunks: 1, lostChunks: 0 });
});

test('nobody waits for a node that an operator has given up', async () => {
  const { nodes, copy, manifests, health, givenUp } = createWorld();
  nodes.put(['b', 'c'], first);
  manifests.push(first, second);
  health.set('a', 'down');
  nodes.at('a').fault = 'dead';
  await expect(copy(['b', 'c'])).rejects.toMatchObject({ code: 'copy_incomplete' });
  givenUp.add('a');
  await expect(copy(['b', 'c'])).resolves.toMatchObject({ lostChunks: 1 });
});

test('a chunk that is deleted in the meantime is neither lost nor waited for', async () => {
  const { nodes, copy, manifests, objects, health } = createWorld();
  nodes.put(['a', 'b', 'c'], first);
  manifests.push(first, second);
  health.set('d', 'down');
  const { aliveAmong } = objects;
  objects.aliveAmong = async (ids) => {
    const alive = await aliveAmong(ids);
    // Deleted right after it was seen to be alive.
    manifests.splice(manifests.indexOf(second), 1);
    objects.aliveAmong = aliveAmong;
    return alive;
  };
  await expect(copy()).resolves.toMatchObject({ lostChunks: 0 });
});

test('a full target is told as such, after one attempt', async () => {
  const { nodes, copy, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  nodes.at('new').fault = 'full';
  await expect(copy()).rejects.toMatchObject({ details: { nodeCode: 'insufficient_storage' } });
});

test('it ends with the reason of its signal', async () => {
  const { nodes, copy, manifests } = createWorld();
  nodes.put(['a', 'b', 'c'], ...chunks);
  manifests.push(...chunks);
  await expect(copy(['a'], AbortSignal.abort(new Error('paused')))).rejects.toThrow('paused');
});
