import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { RawClient } from '../lib/http/test-support/raw-client.ts';
import { chunkTarget, quarantineTarget, rangeTarget } from '../lib/node-api/targets.ts';
import { deriveKey, signTarget } from '../lib/signing/signed-url.ts';
import { STATUS_OF } from './errors.ts';
import { bytesOf, idOf } from './test-support/chunks.ts';
import { problemOf, signed, startTestNode, TEST_KEY, type TestNode } from './test-support/running-node.ts';

const TARGET = chunkTarget(7, idOf(1));
const ROUTES: readonly [string, string][] = [
  ['GET', TARGET],
  ['PUT', TARGET],
  ['POST', TARGET],
  ['DELETE', TARGET],
  ['GET', rangeTarget(0, 9)],
  ['DELETE', rangeTarget(0, 9)],
  ['POST', `${rangeTarget(0, 9)}/pull`],
  ['GET', '/stats'],
  ['GET', '/scrub'],
  ['POST', '/scrub'],
  ['GET', '/quarantine'],
  ['DELETE', quarantineTarget(7, idOf(1))],
  ['POST', `${TARGET}/verify`],
  ['POST', '/identity'],
  ['GET', '/no-such-thing'],
];

async function nodeWithChunk(): Promise<TestNode> {
  const node = await startTestNode();
  await node.repository.put({ position: 7, id: idOf(1), bytes: bytesOf(1, 100) });
  return node;
}

/** Sends the target as it stands; `fetch` would tidy it up. */
async function rawStatus(node: TestNode, method: string, target: string): Promise<number> {
  using raw = new RawClient(node.port);
  raw.send(`${method} ${target} HTTP/1.1`, 'host: x', 'content-length: 0');
  return (await raw.response({ head: method === 'HEAD' })).status;
}

it('answers health and metrics to everybody, and nothing else', async () => {
  const node = await nodeWithChunk();
  expect((await fetch(`${node.url}/healthz`)).status).toBe(200);
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  expect(metrics).toContain('orbitvids_node_chunks 1');
  for (const [method, target] of ROUTES) {
    const response = await fetch(node.url + target, { method });
    expect(await problemOf(response), `${method} ${target}`).toEqual({
      status: 401,
      code: 'signature_missing',
    });
  }
  expect(node.repository.stats().chunkCount).toBe(1);
});

it('refuses signatures that have expired, were altered or made for something else', async () => {
  const node = await nodeWithChunk();
  const get = async (target: string) => problemOf(await fetch(node.url + target));
  const good = signed('GET', TARGET);
  expect((await fetch(node.url + good)).status).toBe(200);

  expect(await get(signed('GET', TARGET, -1))).toEqual({ status: 401, code: 'signature_expired' });
  const invalid = { status: 403, code: 'signature_invalid' };
  // A signature for another path, or another method.
  expect(await get(good.replace(idOf(1), idOf(2)))).toEqual(invalid);
  expect(await get(good.replace('/00000007/', '/00000008/'))).toEqual(invalid);
  expect(await problemOf(await fetch(node.url + good, { method: 'DELETE' }))).toEqual(invalid);
  // An expiry that was moved, parameters that were added.
  expect(await get(good.replace(/x-expires=\d+/, 'x-expires=9999999999'))).toEqual(invalid);
  expect(await get(`${good}&limit=1`)).toEqual(invalid);
  expect(await get(good.replace('?', '?digest=1&'))).toEqual(invalid);
  expect(await get(good.slice(0, -1))).toEqual(invalid);
  // Keys of another cluster, or for another purpose.
  for (const key of [deriveKey('another secret', 'storage-node'), deriveKey('another secret', 'x')]) {
    expect(await get(signTarget(key, { method: 'GET', target: TARGET, expiresAtS: 9_999_999_999 }))).toEqual(
      invalid,
    );
  }
  expect(await rawStatus(node, 'HEAD', good)).toBe(403);
  expect(node.repository.stats().chunkCount).toBe(1);
});

it.each([
  '/chunks/00000007/..',
  '/chunks/00000007/../../../../etc/passwd',
  '/chunks/00000007/..%2f..%2f..%2fetc%2fpasswd',
  '/chunks/00000007/%2e%2e%2fidentity.json',
  '/chunks/../identity.json',
  '/chunks/00000007/test-0001%00.json',
  '/chunks/00000007/TEST-00000001',
  '/chunks/00000007/test',
  `/chunks/00000007/${'a'.repeat(65)}`,
  '/chunks/00000007/-est-0001',
  '/chunks/7/test-00000001',
  '/chunks/0000000G/test-00000001',
  '/chunks/000000007/test-00000001',
  '/chunks/00000007/test-0000%C3%A9',
  '/chunks/00000007/test-0000%ff',
  '/chunks//test-00000001',
])('reads nothing for %s', async (target) => {
  const node = await nodeWithChunk();
  for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
    expect([400, 404]).toContain(await rawStatus(node, method, signed(method, target)));
  }
  expect(node.repository.stats().chunkCount).toBe(1);
});

it('survives what is not a request at all', async () => {
  const node = await nodeWithChunk();
  for (const bytes of [
    '\0\0\0',
    'GET / HTTP/1.1\r\n\r\n',
    `GET ${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
  ]) {
    await new Promise((resolve) => {
      connect(node.port, '127.0.0.1', function (this: ReturnType<typeof connect>) {
        this.on('close', resolve)
          .on('error', () => {})
          .resume();
        this.end(bytes);
      });
    });
  }
  expect((await fetch(node.url + signed('GET', TARGET))).status).toBe(200);
});

it('answers only with codes of its table', async () => {
  const node = await nodeWithChunk();
  const codes = await Promise.all(
    ROUTES.map(async ([method, target]) => {
      const response = await fetch(node.url + signed(method, target), { method });
      return response.status < 400 ? undefined : (await problemOf(response)).code;
    }),
  );
  for (const code of codes) if (code !== undefined) expect(Object.keys(STATUS_OF)).toContain(code);
});

it('says what it holds and belongs to one cluster', async () => {
  const node = await nodeWithChunk();
  const clusterId = '018f2b4e-7a6f-7c1d-9b3a-0a1b2c3d4e5f';
  const claim = (id: string) =>
    node.request('POST', '/identity', { body: JSON.stringify({ clusterId: id }) });
  expect(await (await node.request('GET', '/stats')).json()).toMatchObject({
    clusterId: null,
    chunkCount: 1,
  });
  expect((await claim(clusterId)).status).toBe(200);
  expect(await (await claim(clusterId)).json()).toMatchObject({ clusterId });
  const foreign = await claim('018f2b4e-7a6f-7c1d-9b3a-ffffffffffff');
  expect(await problemOf(foreign)).toEqual({ status: 409, code: 'foreign_cluster' });
  expect((await claim('not a uuid')).status).toBe(400);
  expect(await (await node.request('GET', '/stats')).json()).toMatchObject({ clusterId, disk: 'ok' });
});

it('accepts claims along with a signature', async () => {
  const node = await nodeWithChunk();
  const target = signTarget(TEST_KEY, {
    method: 'GET',
    target: TARGET,
    expiresAtS: 9_999_999_999,
    claims: { for: 'somebody' },
  });
  expect((await fetch(node.url + target)).status).toBe(200);
});
