import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { encodePartClaims, type PartClaims } from '../../lib/node-api/part-claims.ts';
import { chunkTarget, formatChecksum, partTarget } from '../../lib/node-api/targets.ts';
import { serveWith, until } from '../test-support/byte-server.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import {
  problemOf,
  signed,
  startTestNode,
  type TestNode,
  type TestNodeOptions,
} from '../test-support/running-node.ts';

const LENGTH = 1_000_003;
const BYTES = new Uint8Array(bytesOf(1, LENGTH));
const OTHER_BYTES = new Uint8Array(bytesOf(2, LENGTH));
const POSITION = 0xcafe;
const DEAD = 'http://127.0.0.1:1';

function claimsOf(
  node: TestNode,
  others: readonly (readonly [string, number])[],
  more: Partial<PartClaims> = {},
) {
  return encodePartClaims({
    ...{
      nodeId: node.nodeId,
      nodeUrl: node.url,
      length: LENGTH,
      quorum: 2,
      sets: 1,
      copies: 3,
      nodeSets: 1,
      others,
    },
    ...more,
  });
}

/** A URL for a part, as a coordinator signs it. */
function urlOf(node: TestNode, claims: object, expiresInS = 60): string {
  return (
    node.url + signed('PUT', partTarget(POSITION, idOf(1)), expiresInS, claims as Record<string, unknown>)
  );
}

const put = (url: string, body: Uint8Array<ArrayBuffer> = BYTES, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'PUT', body, headers });

const has = async (node: TestNode) => (await node.repository.stat(POSITION, idOf(1))) !== undefined;

async function startThree(options: TestNodeOptions = {}) {
  const nodes = [
    await startTestNode(options),
    await startTestNode(options),
    await startTestNode(options),
  ] as const;
  const [one, two, three] = nodes;
  return {
    nodes,
    url: urlOf(
      one,
      claimsOf(one, [
        [two.url, 1],
        [three.url, 1],
      ]),
    ),
  };
}

it('stores a part, and the other owners fetch it', async () => {
  const { nodes, url } = await startThree();
  const response = await put(url);
  const checksum = formatChecksum(checksumOf(Buffer.from(BYTES)));
  expect([response.status, await response.json()]).toEqual([
    201,
    { result: 'created', copies: expect.any(Number), checksum },
  ]);
  for (const node of nodes) await expect.poll(() => has(node)).toBe(true);
  const got = await nodes[2].request('GET', chunkTarget(POSITION, idOf(1)));
  expect(Buffer.from(await got.arrayBuffer()).equals(Buffer.from(BYTES))).toBe(true);
});

it('takes the same part again, and has it copied to whoever lost it', async () => {
  const { nodes, url } = await startThree();
  await put(url);
  for (const node of nodes) await expect.poll(() => has(node)).toBe(true);
  await nodes[1].repository.delete(POSITION, idOf(1));
  const again = await put(url);
  expect([again.status, await again.json()]).toMatchObject([200, { result: 'exists' }]);
  await expect.poll(() => has(nodes[1])).toBe(true);
});

it('refuses other bytes under the URL of a part that is stored, at every node', async () => {
  const { nodes, url } = await startThree();
  await put(url);
  expect(await problemOf(await put(url, OTHER_BYTES))).toEqual({ status: 409, code: 'chunk_conflict' });
  const { pathname, search } = new URL(url);
  const elsewhere = await put(nodes[1].url + pathname + search, OTHER_BYTES);
  expect(await problemOf(elsewhere)).toEqual({ status: 403, code: 'wrong_node' });
});

it('of different bodies that come at once all nodes have the same one', async () => {
  const { nodes, url } = await startThree();
  const answers = await Promise.all([put(url), put(url, OTHER_BYTES), put(url), put(url, OTHER_BYTES)]);
  expect(answers.some(({ status }) => status === 201)).toBe(true);
  for (const node of nodes) await expect.poll(() => has(node)).toBe(true);
  const entries = await Promise.all(nodes.map((node) => node.repository.stat(POSITION, idOf(1))));
  expect(new Set(entries.map((entry) => entry?.checksum)).size).toBe(1);
});

it('refuses URLs that are altered, out of date, unsigned or none of a part', async () => {
  const node = await startTestNode();
  const claims = claimsOf(node, []);
  const good = urlOf(node, claims);
  const problem = async (url: string) => problemOf(await put(url));
  expect(await problem(good.replace(idOf(1), idOf(2)))).toEqual({ status: 403, code: 'signature_invalid' });
  const [, given] = /x-claims=([\w-]+)/.exec(good)!;
  const looser = Buffer.from(JSON.stringify({ ...claims, q: 1 })).toString('base64url');
  expect(await problem(good.replace(given!, looser))).toEqual({ status: 403, code: 'signature_invalid' });
  expect(await problem(urlOf(node, claims, -10))).toEqual({ status: 401, code: 'signature_expired' });
  expect(await problem(good.split('?')[0]!)).toEqual({ status: 401, code: 'signature_missing' });
  expect(await problem(urlOf(node, { length: 1 }))).toEqual({ status: 403, code: 'signature_invalid' });
  expect(await has(node)).toBe(false);
});

it('takes exactly the length and the digests that were announced', async () => {
  const { nodes, url } = await startThree();
  const problem = async (...args: Parameters<typeof put>) => problemOf(await put(...args));
  const headersOf = (bytes: Uint8Array) => ({
    'content-digest': `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
    'content-md5': createHash('md5').update(bytes).digest('base64'),
    'x-chunk-checksum': formatChecksum(checksumOf(Buffer.from(bytes))),
  });
  for (const [name, value] of Object.entries(headersOf(OTHER_BYTES))) {
    expect(await problem(url, BYTES, { [name]: value })).toEqual({ status: 422, code: 'checksum_mismatch' });
  }
  expect(await problem(url, BYTES.subarray(1))).toEqual({ status: 400, code: 'invalid_request' });
  expect(await problem(url, new Uint8Array(LENGTH + 1))).toEqual({ status: 413, code: 'body_too_large' });
  expect(await problem(url, BYTES, { 'content-md5': 'x' })).toEqual({
    status: 400,
    code: 'digest_malformed',
  });
  expect(await has(nodes[0])).toBe(false);
  expect((await put(url, BYTES, headersOf(BYTES))).status).toBe(201);
});

it('has another node stand in for an owner that is gone', async () => {
  const [one, two] = [await startTestNode(), await startTestNode()];
  const url = urlOf(
    one,
    claimsOf(one, [
      [DEAD, 1],
      [DEAD, 1],
      [two.url, 0],
    ]),
  );
  expect((await put(url)).status).toBe(201);
  expect(await has(two)).toBe(true);
});

it('says so when no quorum can be had, and while a range changes hands that means one of each set', async () => {
  const [one, two] = [await startTestNode(), await startTestNode()];
  const alone = await put(
    urlOf(
      one,
      claimsOf(one, [
        [DEAD, 1],
        [DEAD, 1],
      ]),
    ),
  );
  expect(await problemOf(alone)).toEqual({ status: 503, code: 'write_quorum_unavailable' });
  expect(alone.headers.get('retry-after')).toBe('2');
  // Both nodes belong to the old owners; of the new ones only the first does.
  const dual = { sets: 2, copies: 4, nodeSets: 0b11 };
  const oneSet = await put(
    urlOf(
      one,
      claimsOf(
        one,
        [
          [two.url, 0b01],
          [DEAD, 0b11],
          [DEAD, 0b10],
        ],
        dual,
      ),
    ),
  );
  expect(oneSet.status).toBe(503);
  const both = await put(
    urlOf(
      one,
      claimsOf(
        one,
        [
          [two.url, 0b11],
          [DEAD, 0b01],
          [DEAD, 0b10],
        ],
        dual,
      ),
    ),
  );
  expect(both.status).toBe(200);
});

it('keeps nothing of a part whose client goes away half-way', async () => {
  const { nodes, url } = await startThree({ partBuffers: 1 });
  const before = nodes[0].repository.stats();
  const cut = new RawClient(nodes[0].port);
  const { pathname, search } = new URL(url);
  cut.send(`PUT ${pathname}${search} HTTP/1.1`, 'host: x', `content-length: ${LENGTH}`);
  cut.sendBytes(Buffer.from(BYTES.subarray(0, LENGTH - 1)));
  await until(() => nodes[0].repository.stats().usedBytes > before.usedBytes);
  cut[Symbol.dispose]();
  expect((await put(url)).status).toBe(201);
});

it('answers when a quorum has the part, and takes the next one when the last copy is made or given up', async () => {
  const node = await startTestNode({ partBuffers: 1 });
  const quick = await startTestNode();
  const asked = Promise.withResolvers<ServerResponse>();
  const slow = await serveWith((_, response) => asked.resolve(response));
  const url = urlOf(
    node,
    claimsOf(node, [
      [quick.url, 1],
      [slow, 1],
    ]),
  );
  expect(await (await put(url)).json()).toMatchObject({ copies: 2 });
  const claims = claimsOf(node, [[quick.url, 1]], { copies: 2 });
  const next = put(node.url + signed('PUT', partTarget(POSITION, idOf(2)), 60, claims), OTHER_BYTES);
  (await asked.promise).destroy();
  expect((await next).status).toBe(201);
  expect((await quick.repository.stat(POSITION, idOf(1)))?.checksum).toBe(checksumOf(Buffer.from(BYTES)));
});

it('lets web pages of the configured origins send parts', async () => {
  const node = await startTestNode({ corsOrigins: ['https://videos.example'] });
  const url = urlOf(node, claimsOf(node, [], { quorum: 1, copies: 1 }));
  const preflight = (origin: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type',
      },
    });
  const allowed = await preflight('https://videos.example');
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://videos.example');
  expect(allowed.headers.get('access-control-allow-methods')).toContain('PUT');
  expect(
    (await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin'),
  ).toBeNull();
  const refused = await put(url, BYTES.subarray(1), { origin: 'https://videos.example' });
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://videos.example');
  expect((await put(url, BYTES, { origin: 'https://videos.example' })).status).toBe(201);
});

it('says which of many chunks it has', async () => {
  const node = await startTestNode();
  await node.repository.put({ position: POSITION, id: idOf(1), bytes: Buffer.from(BYTES) });
  const response = await node.request('POST', '/chunks/stat', {
    body: JSON.stringify({ chunks: [`0000cafe/${idOf(2)}`, `0000cafe/${idOf(1)}`] }),
  });
  const checksum = formatChecksum(checksumOf(Buffer.from(BYTES)));
  expect(await response.json()).toEqual({ chunks: [null, [LENGTH, checksum]] });
});
