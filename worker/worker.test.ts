import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createLogger } from '../lib/logging/logger.ts';
import { Worker } from './worker.ts';

const TASK_ID = '01890000-0000-7000-8000-000000000001';
const HEARTBEAT_MS = 50;
const ENGINE = `data:text/javascript,${encodeURIComponent(
  "export const runTask = () => new Promise((resolve) => setTimeout(() => resolve({ kind: 'pictures', pictures: [] }), 600));",
)}`;

test('a heartbeat that nobody answers is sent again before the lease is lost', async () => {
  const asked: string[] = [];
  let isLeased = false;
  const lease = {
    task: { kind: 'inspect', taskId: TASK_ID, videoId: TASK_ID, sourceBytes: 1 },
    ...{ fence: 1, leaseMs: 4 * HEARTBEAT_MS, heartbeatMs: HEARTBEAT_MS, sourceUrl: '/source' },
  };
  const complete = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    const what = request.url!.split('/').at(-1)!;
    await json(request);
    asked.push(what);
    // The first one goes to a coordinator that hangs.
    if (what === 'heartbeat' && asked.filter((name) => name === 'heartbeat').length === 1) return;
    const answer =
      what === 'lease'
        ? isLeased
          ? undefined
          : lease
        : what === 'heartbeat'
          ? { sourceUrl: '/source' }
          : undefined;
    if (what === 'lease') isLeased = true;
    if (what === 'complete') complete.resolve();
    response.writeHead(answer === undefined ? 204 : 200).end(answer && JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = {
    coordinatorUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ token: 'a-token-of-the-tests', name: 'worker', concurrency: 1, taskMemory: 2 ** 40 },
    ...{ stallTimeoutMs: 60_000, taskTimeoutMs: 60_000, stopGraceMs: 0, logLevel: 'silent' },
  };
  const worker = new Worker({
    config,
    engine: ENGINE,
    logger: createLogger({ name: 'worker', level: 'silent' }),
  });
  worker.start();
  await complete.promise;
  await worker[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  expect(asked.filter((name) => name === 'heartbeat').length).toBeGreaterThan(1);
});
