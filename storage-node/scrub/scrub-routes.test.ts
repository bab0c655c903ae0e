import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import {
  nodeStatsSchema,
  quarantinedChunkSchema,
  scrubStatusSchema,
  verifyAnswerSchema,
} from '../../lib/node-api/schema.ts';
import {
  chunkTarget,
  NEXT_CURSOR_HEADER,
  quarantineTarget,
  rangeTarget,
  SCRUB_TARGET,
  verifyTarget,
} from '../../lib/node-api/targets.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import { until } from '../test-support/byte-server.ts';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import { problemOf, startTestNode, type TestNode } from '../test-support/running-node.ts';

const LENGTH = 70_000;

async function nodeWithChunks(): Promise<{ node: TestNode; repository: MemoryVideoRepository }> {
  const repository = new MemoryVideoRepository({ capacityBytes: 256 * 1024 * 1024, clock: systemClock });
  const node = await startTestNode({ repository });
  for (let number = 0; number < 5; number++) {
    await repository.put({ position: number, id: idOf(number), bytes: bytesOf(number, LENGTH) });
  }
  return { node, repository };
}

async function status(node: TestNode) {
  return scrubStatusSchema.parse(await (await node.request('GET', SCRUB_TARGET)).json());
}

it('scrubs when it is told to, and says what it found', async () => {
  const { node, repository } = await nodeWithChunks();
  expect(await status(node)).toMatchObject({ state: 'off', passStartedAt: null, lastFinishedAt: null });
  repository.damage(3, idOf(3), 9);
  const body = JSON.stringify({ action: 'start', bytesPerSecond: 1e9 });
  const answer = await node.request('POST', SCRUB_TARGET, { body });
  expect(answer.status).toBe(200);
  expect(scrubStatusSchema.parse(await answer.json())).toMatchObject({ bytesPerSecond: 1e9 });
  await until(async () => (await status(node)).state === 'idle');
  const done = await status(node);
  expect(done).toMatchObject({ progress: 1, checkedChunks: 5, foundCorrupt: 1 });
  const stats = nodeStatsSchema.parse(await (await node.request('GET', '/stats')).json());
  expect(stats.scrub).toEqual({ state: 'idle', lastFinishedAt: done.lastFinishedAt, foundCorrupt: 1 });
  expect(stats).toMatchObject({ quarantinedCount: 1, chunkCount: 4, lostCount: 0 });
  const { quarantinedAt } = (await repository.listQuarantine({ limit: 1 })).chunks[0]!;
  expect(stats.lastQuarantinedAt).toBe(new Date(quarantinedAt).toISOString());
  await node.request('POST', SCRUB_TARGET, { body: JSON.stringify({ action: 'pause' }) });
  expect((await status(node)).state).toBe('paused');
});

it.each([{}, { action: 'stop' }, { action: 'start', bytesPerSecond: 0 }, { action: 'start', surprise: 1 }])(
  'refuses to control the scrub with %j',
  async (request) => {
    const { node } = await nodeWithChunks();
    const response = await node.request('POST', SCRUB_TARGET, { body: JSON.stringify(request) });
    expect(await problemOf(response)).toEqual({ status: 400, code: 'invalid_request' });
  },
);

it('verifies one chunk', async () => {
  const { node, repository } = await nodeWithChunks();
  const verify = async (number: number) => {
    const response = await node.request('POST', verifyTarget(number, idOf(number)));
    return verifyAnswerSchema.parse(await response.json()).result;
  };
  repository.damage(1, idOf(1), LENGTH - 1);
  expect(await verify(0)).toBe('ok');
  expect(await verify(1)).toBe('quarantined');
  expect(await verify(1)).toBe('absent');
  expect(await verify(77)).toBe('absent');
  const malformed = await node.request('POST', '/chunks/00000001/UPPER-CASE/verify');
  expect(await problemOf(malformed)).toEqual({ status: 400, code: 'invalid_request' });
});

it('lists what is set aside page by page, and removes it', async () => {
  const { node, repository } = await nodeWithChunks();
  for (let number = 0; number < 5; number++) {
    await repository.quarantine(number, idOf(number), `reason ${number}`);
  }
  const seen = [];
  for (let after: string | null = ''; after !== null; ) {
    const query: string = after === '' ? '?limit=2' : `?limit=2&after=${after}`;
    const response: Response = await node.request('GET', `/quarantine${query}`);
    const lines = (await response.text()).trimEnd().split('\n');
    seen.push(...lines.map((line) => quarantinedChunkSchema.parse(JSON.parse(line))));
    after = response.headers.get(NEXT_CURSOR_HEADER);
  }
  expect(seen.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4].map(idOf));
  expect(seen[3]).toMatchObject({ position: '00000003', length: LENGTH, reason: 'reason 3' });
  expect((await node.request('GET', rangeTarget(0, 9))).headers.get(NEXT_CURSOR_HEADER)).toBeNull();

  for (let turn = 0; turn < 2; turn++) {
    expect((await node.request('DELETE', quarantineTarget(3, idOf(3)))).status).toBe(204);
  }
  expect(repository.stats().quarantinedCount).toBe(4);
  const body = new Uint8Array(bytesOf(1, LENGTH));
  expect((await node.request('PUT', chunkTarget(1, idOf(1)), { body })).status).toBe(201);
  expect(repository.stats().quarantinedCount).toBe(3);
  for (const target of ['/quarantine?limit=0', '/quarantine?after=x', '/quarantine?limit=x']) {
    expect(await problemOf(await node.request('GET', target))).toEqual({
      status: 400,
      code: 'invalid_request',
    });
  }
});
