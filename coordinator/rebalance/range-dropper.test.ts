import { expect, test } from 'vitest';
import { WHOLE_RING } from '../cluster/node-inventory.ts';
import { ManualClock, settle } from '../cluster/test-support/manual-clock.ts';
import { DROP_LIFETIME_S } from './limits.ts';
import { RangeDropper } from './range-dropper.ts';
import { createCopyWorld } from './test-support/copy-world.ts';
import { chunkOf } from './test-support/memory-nodes.ts';

const never = new AbortController().signal;
const chunks = Array.from({ length: 4 }, (_, index) => chunkOf(`0000000${index}`));
const [first, second] = chunks as [(typeof chunks)[0], (typeof chunks)[0]];
const OWNERS = ['a', 'b', 'c'];

/** `old` held the range, which `a`, `b` and `c` own now. */
function createWorld() {
  const clock = new ManualClock();
  const world = createCopyWorld([...OWNERS, 'old'], OWNERS, () => clock.nowMs());
  const permits = { out: 0, validForMs: 60_000, asked: 0 };
  const dropper = new RangeDropper({
    inventory: world.nodes,
    objects: world.objects,
    clock,
    enter: () => {
      permits.out++;
      permits.asked++;
      return {
        isValid: (forMs = 0) => forMs < permits.validForMs,
        leave: () => {
          permits.out--;
        },
      };
    },
  });
  const drop = (mayDrop = () => true, signal = never) =>
    dropper.drop(
      {
        interval: WHOLE_RING,
        from: world.nodes.at('old'),
        owners: OWNERS.map((id) => world.nodes.at(id)),
        mayDrop,
      },
      signal,
    );
  return { ...world, permits, drop, clock, left: () => world.nodes.at('old').chunks.size };
}

test('what every owner holds is dropped', async () => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  expect(await drop()).toBe(true);
  expect(left()).toBe(0);
  for (const id of OWNERS) expect(nodes.at(id).chunks.size).toBe(chunks.length);
  expect(permits).toMatchObject({ asked: 1, out: 0 });
});

test('a node that has nothing of the range is not asked to drop it', async () => {
  const { nodes, drop, permits } = createWorld();
  nodes.put(OWNERS, ...chunks);
  expect(await drop()).toBe(true);
  expect(nodes.calls).toEqual([]);
  expect(permits.asked).toBe(0);
});

test('before the drop each owner gets what it lacks and somebody needs', async () => {
  const { nodes, drop, left, manifests, open } = createWorld();
  nodes.put(['old'], ...chunks);
  nodes.put(['a'], ...chunks.slice(1));
  nodes.put(['b'], first);
  manifests.push(first);
  open.add(second.id);
  expect(await drop()).toBe(true);
  expect(left()).toBe(0);
  for (const id of OWNERS) {
    expect([...nodes.at(id).chunks.keys()]).toEqual(expect.arrayContaining([first.id, second.id]));
  }
});

test('what nobody needs goes without having been copied', async () => {
  const { nodes, drop, left } = createWorld();
  nodes.put(['old'], ...chunks);
  expect(await drop()).toBe(true);
  expect(left()).toBe(0);
  expect(nodes.at('a').chunks.size).toBe(0);
});

test('a chunk that arrives meanwhile stays, with all the others', async () => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], first);
  const isLate = () => {
    nodes.put(['old'], second);
    return true;
  };
  expect(await drop(isLate)).toBe(false);
  expect(left()).toBe(2);
  expect(permits.out).toBe(0);
});

test('nothing is dropped once the node may be an owner again', async () => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  expect(await drop(() => false)).toBe(false);
  expect(left()).toBe(chunks.length);
  expect(permits).toMatchObject({ asked: 1, out: 0 });
});

test('nothing is dropped by a coordinator whose word may end before the drop begins', async () => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  for (const validForMs of [0, 3000]) {
    permits.validForMs = validForMs;
    expect(await drop()).toBe(false);
  }
  expect(left()).toBe(chunks.length);
  expect(nodes.calls).toEqual([]);
  permits.validForMs = 6000;
  expect(await drop()).toBe(true);
  expect(permits.out).toBe(0);
});

test.each(['a', 'old'])('nothing is dropped while node %s does not answer', async (id) => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  nodes.at(id).fault = 'dead';
  await expect(drop()).rejects.toMatchObject({ code: 'node_unreachable' });
  expect(left()).toBe(chunks.length);
  expect(permits.out).toBe(0);
});

test('nothing is dropped while an owner cannot take what it lacks', async () => {
  const { nodes, drop, left, manifests } = createWorld();
  nodes.put(['a', 'b', 'old'], ...chunks);
  manifests.push(...chunks);
  nodes.at('c').fault = 'full';
  await expect(drop()).rejects.toMatchObject({ details: { nodeCode: 'insufficient_storage' } });
  expect(left()).toBe(chunks.length);
});

test('a chunk that is damaged where it is to be dropped holds nothing up for long', async () => {
  const { nodes, drop, left, manifests } = createWorld();
  nodes.put(['a', 'b', 'old'], ...chunks);
  manifests.push(...chunks);
  nodes.at('old').corrupt.add(first.id);
  await expect(drop()).rejects.toMatchObject({ details: { nodeCode: 'checksum_mismatch' } });
  expect(await drop()).toBe(true);
  expect(left()).toBe(0);
});

test('a wrong digest makes it look twice and drops nothing', async () => {
  const { nodes, drop, left } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  nodes.at('old').lies.digests = 1;
  expect(await drop()).toBe(false);
  expect(left()).toBe(chunks.length);
});

test('the permit comes back when the drop fails, once the node can begin no more', async () => {
  const { nodes, drop, permits, clock } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  const dropped = drop(() => {
    nodes.at('old').fault = 'dead';
    return true;
  });
  dropped.catch(() => {});
  await clock.advance(DROP_LIFETIME_S * 1000 - 1);
  expect(permits).toMatchObject({ asked: 1, out: 1 });
  await clock.advance(1);
  await expect(dropped).rejects.toMatchObject({ code: 'node_unreachable' });
  expect(permits.out).toBe(0);
});

test('a node that never answers is given up once it can begin no more, and not before', async () => {
  const { nodes, drop, permits, clock } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  nodes.drop = (_node, _interval, _options, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const abort = new AbortController();
  const dropped = drop(() => true, abort.signal);
  dropped.catch(() => {});
  await clock.advance(1000);
  abort.abort(new Error('the range goes elsewhere'));
  await clock.advance(DROP_LIFETIME_S * 1000 - 1001);
  expect(permits.out).toBe(1);
  await clock.advance(1);
  await expect(dropped).rejects.toThrow('the range goes elsewhere');
  expect(permits.out).toBe(0);
});

test('a drop that is given up on its way keeps its permit until it has been carried out', async () => {
  const { nodes, drop, left, permits } = createWorld();
  nodes.put([...OWNERS, 'old'], ...chunks);
  const arrival = Promise.withResolvers<void>();
  const dropNow = nodes.drop.bind(nodes);
  nodes.drop = async (...parameters) => {
    await arrival.promise;
    return dropNow(...parameters);
  };
  const abort = new AbortController();
  const dropped = drop(() => true, abort.signal);
  await expect.poll(() => permits.out).toBe(1);
  abort.abort(new Error('the range goes elsewhere'));
  await settle();
  expect(permits.out).toBe(1);
  arrival.resolve();
  expect(await dropped).toBe(true);
  expect(left()).toBe(0);
  expect(permits.out).toBe(0);
});
