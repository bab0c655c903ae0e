import { createHash, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { digestTarget, formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import { problemOf, startTestNode, type TestNode } from '../test-support/running-node.ts';

const BODIES = [1, 2, 3, 4].map((seed) => bytesOf(seed, 300_000 + seed));

function chunkOf(seed: number, holders: readonly number[] = []) {
  const bytes = BODIES[seed - 1]!;
  return {
    position: formatPosition(seed),
    id: idOf(seed),
    length: bytes.length,
    checksum: formatChecksum(checksumOf(bytes)),
    holders,
  };
}

const put = (node: TestNode, ...seeds: number[]) =>
  Promise.all(
    seeds.map((seed) => node.repository.put({ position: seed, id: idOf(seed), bytes: BODIES[seed - 1]! })),
  );

function ask(node: TestNode, session: string, body: object): Promise<Response> {
  return node.request('POST', digestTarget(session), {
    body: JSON.stringify({ at: 0, nodes: [], last: false, ...body }),
  });
}

const sha256 = (...bodies: Buffer[]) => createHash('sha256').update(Buffer.concat(bodies)).digest('hex');

it('hashes chunks of its own and of other nodes, request after request', async () => {
  const [one, two] = [await startTestNode(), await startTestNode()];
  await put(one, 1, 3);
  await put(two, 2, 4);
  const session = randomUUID();
  const nodes = ['http://127.0.0.1:1', two.url];
  const first = await ask(one, session, { nodes, chunks: [chunkOf(1), chunkOf(2, [0, 1])] });
  const at = BODIES[0]!.length + BODIES[1]!.length;
  expect(await first.json()).toEqual({ at, sha256: sha256(BODIES[0]!, BODIES[1]!) });
  const chunks = [chunkOf(3), chunkOf(4, [1])];
  const second = await ask(one, session, { at, nodes, chunks, last: true });
  expect(await second.json()).toMatchObject({ sha256: sha256(...BODIES) });
  const third = await ask(one, session, { at, nodes, chunks });
  expect(await problemOf(third)).toEqual({ status: 409, code: 'session_lost' });
});

it('does not take another chunk with the same id, and stays where it was when a chunk is not to be had', async () => {
  const [one, two] = [await startTestNode(), await startTestNode()];
  await put(one, 1);
  await one.repository.put({ position: 2, id: idOf(2), bytes: BODIES[2]! });
  const session = randomUUID();
  const at = BODIES[0]!.length;
  expect((await ask(one, session, { chunks: [chunkOf(1)] })).status).toBe(200);
  const next = { at, nodes: [two.url], chunks: [chunkOf(2, [0])], last: true };
  expect(await problemOf(await ask(one, session, next))).toEqual({ status: 404, code: 'chunk_not_found' });
  await put(two, 2);
  expect(await (await ask(one, session, next)).json()).toMatchObject({
    sha256: sha256(BODIES[0]!, BODIES[1]!),
  });
});

it('computes a bounded number of hashes at a time', async () => {
  const node = await startTestNode();
  await put(node, 1);
  const begin = () => ask(node, randomUUID(), { chunks: [chunkOf(1)] });
  for (let count = 0; count < 8; count++) expect((await begin()).status).toBe(200);
  expect(await problemOf(await begin())).toEqual({ status: 503, code: 'too_busy' });
});
