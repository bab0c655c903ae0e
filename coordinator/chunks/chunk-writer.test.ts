import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { OutgoingChunk } from './node-client.ts';
import { FakeNodes } from './testing/fake-nodes.ts';

const chunk: OutgoingChunk = {
  ref: { id: 'c', position: 1, length: 3, checksum: 0 },
  pages: [Buffer.from('abc')],
  sourceUrl: '',
};

function store(nodes: FakeNodes, signal = new AbortController().signal) {
  const writer = new ChunkWriter({
    clock: systemClock,
    placement: nodes,
    client: nodes,
    copyTimeoutMs: 200,
    stragglerTimeoutMs: 30,
  });
  return writer.store(chunk, signal);
}

it('puts a copy on every owner', async () => {
  const nodes = new FakeNodes(5);
  const write = store(nodes);
  await write.acknowledged;
  expect((await write.settled).missing).toBe(0);
  expect(nodes.holdersOf('c')).toEqual(['n0', 'n1', 'n2']);
});

it.each(['dead', 'full'] as const)(
  'gives the copy of an owner that is %s to the next node',
  async (fault) => {
    const nodes = new FakeNodes(5);
    nodes.faults.set('n1', fault);
    const write = store(nodes);
    await write.acknowledged;
    expect((await write.settled).missing).toBe(0);
    expect(nodes.holdersOf('c')).toEqual(['n0', 'n2', 'n3']);
    expect(nodes.failures).toEqual(fault === 'dead' ? ['n1'] : []);
  },
);

it('does not ask nodes that are down, and suspects only when nobody else is left', async () => {
  const nodes = new FakeNodes(5);
  nodes.health.set('n0', 'down').set('n1', 'suspect').set('n2', 'suspect');
  const write = store(nodes);
  expect((await write.settled).holders.map((node) => node.id).sort()).toEqual(['n1', 'n3', 'n4']);
});

it('acknowledges at the quorum and replaces the straggler afterwards', async () => {
  const nodes = new FakeNodes(4);
  nodes.faults.set('n2', 'hang');
  const write = store(nodes);
  await write.acknowledged;
  expect(nodes.holdersOf('c')).toEqual(['n0', 'n1']);
  expect((await write.settled).missing).toBe(0);
  expect(nodes.holdersOf('c')).toEqual(['n0', 'n1', 'n3']);
});

it('says how many copies are missing when no node is left for them', async () => {
  const nodes = new FakeNodes(3);
  nodes.faults.set('n2', 'dead');
  const write = store(nodes);
  await write.acknowledged;
  expect(await write.settled).toMatchObject({ missing: 1 });
});

it('rejects when no quorum is possible, and says whether room or nodes are lacking', async () => {
  const nodes = new FakeNodes(5);
  for (const id of ['n0', 'n1', 'n2', 'n3']) nodes.faults.set(id, 'dead');
  const failed = store(nodes);
  await expect(failed.acknowledged).rejects.toMatchObject({
    code: 'write_quorum_unavailable',
    retryable: true,
  });
  await failed.settled;

  for (const id of ['n0', 'n1', 'n2', 'n3', 'n4']) nodes.faults.set(id, 'full');
  const full = store(nodes);
  await expect(full.acknowledged).rejects.toMatchObject({ code: 'insufficient_storage' });
});

it('stops with the signal, and settles', async () => {
  const nodes = new FakeNodes(3);
  for (const id of ['n0', 'n1', 'n2']) nodes.faults.set(id, 'hang');
  const abort = new AbortController();
  const write = store(nodes, abort.signal);
  abort.abort(new Error('client gone'));
  await expect(write.acknowledged).rejects.toThrow('client gone');
  expect((await write.settled).holders).toEqual([]);
});

it('while the range changes hands, waits for a quorum of the old and of the new owners', async () => {
  const nodes = new FakeNodes(6);
  nodes.moving = [
    [0, 1, 2],
    [2, 3, 4],
  ];
  nodes.faults.set('n3', 'hang').set('n4', 'hang');
  const write = store(nodes);
  let isAcknowledged = false;
  void write.acknowledged.then(() => {
    isAcknowledged = true;
  });
  await expect.poll(() => nodes.holdersOf('c')).toEqual(['n0', 'n1', 'n2']);
  expect(isAcknowledged).toBe(false);
  expect(nodes.permits).toBe(1);
  // The first of the two gives up after the copy timeout; the handoff takes its place and counts for the new owners.
  await write.acknowledged;
  expect(nodes.holdersOf('c')).toEqual(['n0', 'n1', 'n2', 'n5']);
  const outcome = await write.settled;
  expect(outcome.lacking.map(({ id }) => id)).toEqual(['n3', 'n4']);
  expect(outcome.missing).toBe(1);
  expect(nodes.permits).toBe(0);
});

it('acknowledges nothing under a view of the ring that no longer counts', async () => {
  const nodes = new FakeNodes(5);
  nodes.permitsValid = false;
  const write = store(nodes);
  await expect(write.acknowledged).rejects.toMatchObject({
    code: 'write_quorum_unavailable',
    retryable: true,
  });
  await write.settled;
  expect(nodes.permits).toBe(0);
});
