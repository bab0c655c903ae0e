import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createLogger } from '../lib/logging/logger.ts';
import { Worker } from './worker.ts';

const TASK_ID = '01890000-0000-7000-8000-000000000001';
const HEARTBEAT_MS = 50;
const engineThatTakes = (ms: number) =>
  `data:text/javascript,${encodeURIComponent(
    `export const runTask = () => new Promise((resolve) => setTimeout(() => resolve({ kind: 'pictures', pictures: [] }), ${ms}));`,
  )}`;
const LEASE = {
  task: { kind: 'inspect', taskId: TASK_ID, videoId: TASK_ID, sourceBytes: 1 },
  ...{ fence: 1, leaseMs: 4 * HEARTBEAT_MS, heartbeatMs: HEARTBEAT_MS, sourceUrl: '/source' },
};

type Answer = { readonly status: number; readonly body?: object } | 'silence';

/** A coordinator that has one task, and says otherwise what it is told to. */
async function serve(answerTo: (what: string, body: unknown) => Answer | undefined): Promise<Server> {
  let isLeased = false;
  const server = createServer(async (request, response) => {
    const what = request.url!.split('/').at(-1)!;
    const told = answerTo(what, await json(request));
    if (told === 'silence') return;
    const usual = () => {
      if (what === 'heartbeat') return { status: 200, body: { sourceUrl: '/source' } };
      if (what !== 'lease' || isLeased) return { status: 204 };
      isLeased = true;
      return { status: 200, body: LEASE };
    };
    const { status, body } = told ?? usual();
    response.writeHead(status).end(body && JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function workerOf(server: Server, engine: string): Worker {
  const config = {
    coordinatorUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ token: 'a-token-of-the-tests', name: 'worker', concurrency: 1, taskMemory: 2 ** 40 },
    ...{ stallTimeoutMs: 60_000, taskTimeoutMs: 60_000, stopGraceMs: 0, logLevel: 'silent' },
  };
  return new Worker({ config, engine, logger: createLogger({ name: 'worker', level: 'silent' }) });
}

async function untilDone(server: Server, engine: string, done: Promise<void>): Promise<void> {
  const worker = workerOf(server, engine);
  worker.start();
  await done;
  await worker[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
}

test('a heartbeat that nobody answers is sent again before the lease is lost', async () => {
  let heartbeats = 0;
  const complete = Promise.withResolvers<void>();
  const server = await serve((what) => {
    if (what === 'complete') complete.resolve();
    if (what !== 'heartbeat') return undefined;
    heartbeats += 1;
    // The first one goes to a coordinator that hangs.
    return heartbeats === 1 ? 'silence' : undefined;
  });
  await untilDone(server, engineThatTakes(600), complete.promise);
  expect(heartbeats).toBeGreaterThan(1);
});

test.each([
  ['was not kept until it could be told is to be made again', 'upload_expired', true],
  ['is not what was asked for is not', 'invalid_request', false],
])('what %s', async (_, code, retryable) => {
  const failed = Promise.withResolvers<void>();
  let failure: unknown;
  const server = await serve((what, body) => {
    if (what === 'complete') return { status: 409, body: { code, detail: 'No.' } };
    if (what !== 'fail') return undefined;
    failure = body;
    failed.resolve();
    return undefined;
  });
  await untilDone(server, engineThatTakes(0), failed.promise);
  expect(failure).toMatchObject({ code: 'failed', reason: expect.stringContaining(code), retryable });
});
