import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { NEXT_CURSOR_HEADER } from '../../lib/node-api/targets.ts';
import { deriveKey, verifyTarget } from '../../lib/signing/signed-url.ts';
import { HttpNodeInventory, WHOLE_RING } from './node-inventory.ts';
import { HttpNodeProbe } from './node-probe.ts';
import { NodeRequests } from './node-requests.ts';

const key = deriveKey('a secret of the cluster', 'storage-node');
const nodeId = randomUUID();
const stats = {
  nodeId,
  clusterId: null,
  startedAt: new Date(0).toISOString(),
  capacityBytes: 1e12,
  usedBytes: 5,
  chunkCount: 1,
  quarantinedCount: 0,
  disk: 'ok',
};
const unreachable = (text: string) => ({
  code: 'node_unreachable',
  message: expect.stringContaining(text),
});

let server: Server;
let url: string;
let agent: Agent;
let requests: NodeRequests;
let probe: HttpNodeProbe;
let inventory: HttpNodeInventory;
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  agent = new Agent();
  requests = new NodeRequests({ dispatcher: agent, signingKey: key, clock: systemClock });
  probe = new HttpNodeProbe(requests);
  inventory = new HttpNodeInventory(requests);
});
afterEach(async () => {
  await agent.destroy();
  server.closeAllConnections();
});

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const verdictOf = ({ method = '', url: target = '' }: IncomingMessage) =>
  verifyTarget([key], method, target, Date.now() / 1000);

test('health is asked without a signature, stats with one that fits', async () => {
  const targets: string[] = [];
  answer = (request, response) => {
    targets.push(request.url ?? '');
    if (request.url === '/healthz') json(response, 200, { status: 'ok', nodeId });
    else json(response, verdictOf(request).ok ? 200 : 403, stats);
  };
  expect(await probe.health(url, 1000)).toEqual({ nodeId });
  expect(await probe.stats(url)).toEqual(stats);
  expect(targets[0]).toBe('/healthz');
  expect(targets[1]).toMatch(/^\/stats\?x-expires=/);
});

test('a claim names the cluster, and tells a foreign one', async () => {
  const clusterId = randomUUID();
  let received = '';
  answer = async (request, response) => {
    received = `${request.method} ${request.url?.split('?')[0]} `;
    for await (const piece of request) received += String(piece);
    json(response, verdictOf(request).ok ? 200 : 403, stats);
  };
  await probe.claim(url, clusterId);
  expect(received).toBe(`POST /identity {"clusterId":"${clusterId}"}`);
  answer = (_, response) => json(response, 409, { code: 'foreign_cluster' });
  await expect(probe.claim(url, clusterId)).rejects.toMatchObject({ code: 'node_foreign_cluster' });
});

test('a wrong secret and a wrong clock are told apart', async () => {
  answer = (_, response) => json(response, 403, { code: 'signature_invalid' });
  await expect(probe.stats(url)).rejects.toMatchObject({
    ...unreachable('its CLUSTER_SECRET is another one'),
    details: { reason: 'secret_differs' },
  });
  answer = (_, response) => json(response, 401, { code: 'signature_expired' });
  await expect(probe.stats(url)).rejects.toMatchObject({
    ...unreachable('its clock differs'),
    details: { reason: 'clock_differs' },
  });
});

test('nobody, silence, nonsense, failure and endless answers are all unreachable', async () => {
  await expect(probe.stats('http://127.0.0.1:1')).rejects.toMatchObject(unreachable('127.0.0.1:1'));
  answer = () => {};
  await expect(probe.health(url, 50)).rejects.toMatchObject(unreachable('no answer within 50 ms'));
  answer = (_, response) => {
    response.writeHead(200).write('{');
  };
  await expect(probe.health(url, 50)).rejects.toMatchObject(unreachable('no answer within 50 ms'));
  answer = (_, response) => response.end('<html>');
  await expect(probe.health(url, 1000)).rejects.toMatchObject(unreachable('does not speak the protocol'));
  answer = (_, response) => json(response, 200, { status: 'ok' });
  await expect(probe.health(url, 1000)).rejects.toMatchObject(unreachable('does not speak the protocol'));
  answer = (_, response) => json(response, 503, { code: 'disk_failing' });
  await expect(probe.health(url, 1000)).rejects.toMatchObject(unreachable('503 (disk_failing)'));
  answer = (_, response) => response.end('x'.repeat(70_000));
  await expect(probe.health(url, 1000)).rejects.toMatchObject(unreachable('longer than 65536 bytes'));
});

test('an abort of the caller is not the fault of the node', async () => {
  answer = () => {};
  const stop = new AbortController();
  const asked = probe.health(url, 10_000, stop.signal);
  stop.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
});

test('a listing is read page by page, and a chunk is deleted by its place', async () => {
  const node = { id: nodeId, url, zone: 'z' };
  const { signal } = new AbortController();
  const lines = ['0000002a', 'ffffffff'].map((position, index) => ({
    position,
    id: `chunk-000${index}`,
    length: 10,
    checksum: '00000000',
    createdAt: 1234,
  }));
  const seen: string[] = [];
  answer = (request, response) => {
    if (!verdictOf(request).ok) return void response.writeHead(403).end();
    const target = request.url!.replace(/[?&]x-expires=.*/, '');
    seen.push(`${request.method} ${target}`);
    if (request.method === 'DELETE') return void response.writeHead(204).end();
    const isFirst = !target.includes('after');
    response.writeHead(200, isFirst ? { [NEXT_CURSOR_HEADER]: '0000002a/chunk-0000' } : {});
    response.end(`${JSON.stringify(lines[isFirst ? 0 : 1])}\n`);
  };
  const first = await inventory.list(node, WHOLE_RING, { after: null, limit: 1 }, signal);
  expect(first.chunks).toEqual([
    { id: 'chunk-0000', position: 42, length: 10, checksum: expect.any(Number), createdAtMs: 1234 },
  ]);
  const second = await inventory.list(node, WHOLE_RING, { after: first.nextCursor, limit: 1 }, signal);
  expect(second).toMatchObject({ chunks: [{ id: 'chunk-0001', position: 0xffff_ffff }], nextCursor: null });
  await inventory.delete(node, first.chunks[0]!, signal);
  expect(seen).toEqual([
    'GET /ranges/00000000-ffffffff?limit=1',
    'GET /ranges/00000000-ffffffff?limit=1&after=0000002a%2Fchunk-0000',
    'DELETE /chunks/0000002a/chunk-0000',
  ]);
});

test('a chunk that is gone already counts as deleted; a refusal does not', async () => {
  const node = { id: nodeId, url, zone: 'z' };
  const chunk = { id: 'chunk-0000', position: 1, length: 1, createdAtMs: 0 };
  const { signal } = new AbortController();
  answer = (_, response) => json(response, 404, { code: 'chunk_not_found' });
  await inventory.delete(node, chunk, signal);
  answer = (_, response) => json(response, 500, { code: 'internal' });
  await expect(inventory.delete(node, chunk, signal)).rejects.toMatchObject(unreachable('500 (internal)'));
  answer = (_, response) => response.end('{"id":"short"}\n');
  await expect(inventory.list(node, WHOLE_RING, { after: null, limit: 1 }, signal)).rejects.toMatchObject(
    unreachable('answer is not readable'),
  );
});
