import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from './support/test-cluster.ts';

interface Event {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

let cluster: TestCluster;
let receiver: Server;
let port = 0;
let secret: string;
const events: Event[] = [];
const ids = new Set<string>();

/** Takes what comes if it is signed, at the same address as before. */
async function listen(): Promise<void> {
  receiver = createServer(async (request, response) => {
    const headers = request.headers as Record<string, string>;
    events.push(new Webhook(secret).verify(await text(request), headers) as Event);
    ids.add(headers['webhook-id']!);
    response.end();
  }).listen(port, '127.0.0.1');
  await once(receiver, 'listening');
  port = (receiver.address() as AddressInfo).port;
}
const until = async (type: string, timeout = 20_000) => {
  await expect.poll(() => events.some((event) => event.type === type), { timeout }).toBe(true);
  return events.splice(0);
};

beforeAll(async () => {
  await listen();
  cluster = await TestCluster.start({ nodeCount: 3, coordinatorEnv: { WEBHOOK_ALLOW_PRIVATE: 'on' } });
  const response = await cluster.api('/webhooks', {
    method: 'POST',
    body: JSON.stringify({ url: `http://127.0.0.1:${port}/hook` }),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status).toBe(201);
  secret = ((await response.json()) as { secret: string }).secret;
}, 60_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  receiver.close();
});

test('whoever wants to know is told of videos that come and go, and of nodes', async () => {
  const bytes = randomBytes(100_000);
  const { id } = await cluster.upload(bytes, '?title=Told');
  const shown = (await (await cluster.api(`/videos/${id}`)).json()) as Record<string, unknown>;
  expect(await until('video.uploaded')).toMatchObject([{ data: { ...shown, reason: null } }]);
  await cluster.deleteVideo(id);
  expect(await until('video.deleted')).toMatchObject([{ data: { id, title: 'Told' } }]);

  const { nodeId } = await cluster.nodeStats(2);
  await cluster.cluster.nodes[2]!.kill();
  expect(await until('node.down')).toMatchObject([{ data: { id: nodeId, reason: expect.any(String) } }]);
  await cluster.cluster.restartNode(2);
  expect(await until('node.up')).toMatchObject([{ type: 'node.up', data: { id: nodeId } }]);
});

test('what a coordinator had not delivered when it died the next one delivers', async () => {
  receiver.close();
  receiver.closeAllConnections();
  const { id } = await cluster.upload(randomBytes(1000));
  // Once it was tried in vain.
  const deliveries = async () => {
    const [webhook] = ((await (await cluster.api('/webhooks')).json()) as { items: { id: string }[] }).items;
    const answer = await cluster.api(`/webhooks/${webhook!.id}/deliveries?limit=1`);
    return ((await answer.json()) as { items: Record<string, unknown>[] }).items;
  };
  await expect.poll(async () => (await deliveries())[0]!.attempts).toBe(1);
  const [waiting] = await deliveries();
  expect(waiting).toMatchObject({ state: 'pending', lastAttempt: { statusCode: null } });
  await cluster.cluster.coordinator.kill();
  await listen();
  ids.clear();
  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady();
  expect(await until('video.uploaded')).toMatchObject([{ data: { id } }]);
  expect([...ids]).toEqual([waiting!.eventId]);
  await expect.poll(async () => (await deliveries())[0]!.state).toBe('delivered');
}, 60_000);
