import type { Socket } from 'node:net';
import { Hono } from 'hono';
import { expect, it, onTestFinished } from 'vitest';
import { type Clock, sleepOn, systemClock } from '../clock/clock.ts';
import { GetLane, type LaneAnswer, type LaneRequest } from './get-lane.ts';
import { HttpServer } from './http-server.ts';
import { RawClient } from './test-support/raw-client.ts';

type Answer = (request: LaneRequest, answer: LaneAnswer) => Promise<void>;

const KEEP_ALIVE_MS = 1000;
const SEND_IDLE_MS = 2000;

/** A server whose lane takes targets below `/lane`; its app echoes everything else. Tells the bytes of each connection. */
async function serve(
  answer: Answer,
  clock: Clock = systemClock,
): Promise<{ client: () => RawClient; server: HttpServer; received: () => number[] }> {
  const app = new Hono().all('*', async (context) =>
    context.text(`app: ${context.req.method} ${context.req.path} ${await context.req.text()}`),
  );
  const lane = new GetLane({
    target: /^\/lane\//,
    answer,
    clock,
    keepAliveTimeoutMs: KEEP_ALIVE_MS,
    sendIdleTimeoutMs: SEND_IDLE_MS,
  });
  const sockets: Socket[] = [];
  const accept = lane.accept.bind(lane);
  lane.accept = (socket, handOver) => {
    sockets.push(socket);
    accept(socket, handOver);
  };
  const server = await HttpServer.open({
    fetch: app.fetch,
    lane,
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 5000,
    keepAliveTimeoutMs: 5000,
    maxHeaderBytes: 8192,
    drainTimeoutMs: 300,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const client = () => {
    const raw = new RawClient(server.port);
    onTestFinished(() => raw[Symbol.dispose]());
    return raw;
  };
  return { client, server, received: () => sockets.map(({ bytesRead }) => bytesRead) };
}

/** Answers with what was asked for, in two pieces. */
const echo: Answer = async ({ target, range }, answer) => {
  const text = `lane: ${target} ${range}`;
  answer.begin(200, { 'content-length': text.length });
  await answer.write(Buffer.from(text.slice(0, 5)));
  await answer.write(Buffer.from(text.slice(5)));
};

function steppedClock(): { clock: Clock; step(): void } {
  const actions: (() => void)[] = [];
  const clock: Clock = {
    nowMs: () => 1_000_000,
    monotonicMs: () => 0,
    after(_delayMs, action) {
      actions.push(action);
      return () => actions.splice(actions.indexOf(action), 1);
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  };
  return {
    clock,
    step: () => {
      for (const action of actions.splice(0)) action();
    },
  };
}

const text = async (raw: RawClient) => (await raw.response()).body.toString();

it('answers plain GETs, one after the other on one connection', async () => {
  const raw = (await serve(echo)).client();
  raw.send('GET /lane/a?x=1 HTTP/1.1', 'host: x');
  const { status, headers, body } = await raw.response();
  expect([status, body.toString()]).toEqual([200, 'lane: /lane/a?x=1 undefined']);
  expect(Math.abs(Date.parse(headers.date!) - Date.now())).toBeLessThan(5000);
  raw.send('GET /lane/b HTTP/1.1', 'host: x', 'range: bytes=1-2');
  expect(await text(raw)).toBe('lane: /lane/b bytes=1-2');
});

it('hands everything else over to the HTTP server, with all that follows', async () => {
  const raw = (await serve(echo)).client();
  raw.send('GET /lane/a HTTP/1.1', 'host: x');
  expect(await text(raw)).toBe('lane: /lane/a undefined');
  raw.send('POST /p HTTP/1.1', 'host: x', 'content-length: 3');
  raw.sendBytes('abc');
  expect(await text(raw)).toBe('app: POST /p abc');
  raw.send('GET /lane/b HTTP/1.1', 'host: x');
  expect(await text(raw)).toBe('app: GET /lane/b ');
});

it.each([
  ['another method', 'PUT /lane/a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n', 'app: PUT /lane/a '],
  ['another target', 'GET /other HTTP/1.1\r\nhost: x\r\n\r\n', 'app: GET /other '],
  ['more headers', 'GET /lane/a HTTP/1.1\r\nhost: x\r\nx-more: 1\r\n\r\n', 'app: GET /lane/a '],
  ['headers in other letters', 'GET /lane/a HTTP/1.1\r\nHost: x\r\n\r\n', 'app: GET /lane/a '],
])('hands over %s', async (_what, request, answer) => {
  const raw = (await serve(echo)).client();
  raw.sendBytes(request);
  expect(await text(raw)).toBe(answer);
});

it('hands over what is too long, and what is no HTTP', async () => {
  const { client } = await serve(echo);
  const long = client();
  long.send(`GET /lane/${'a'.repeat(4000)} HTTP/1.1`, 'host: x');
  expect(await text(long)).toMatch(/^app: GET \/lane\/a+ $/);
  const odd = client();
  odd.sendBytes('GET /lane/a\u0000 HTTP/1.1\r\nhost: x\r\n\r\n');
  expect((await odd.response()).status).toBe(400);
});

it('hands over a head that comes in parts, and requests that come together', async () => {
  const { client, received } = await serve(echo);
  const slow = client();
  slow.sendBytes('GET /lane/a HTTP/1.1\r\nho');
  await expect.poll(received).toEqual([24]);
  slow.sendBytes('st: x\r\n\r\n');
  expect(await text(slow)).toBe('app: GET /lane/a ');
  const both = client();
  both.sendBytes('GET /lane/a HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(2));
  expect([await text(both), await text(both)]).toEqual(['app: GET /lane/a ', 'app: GET /lane/a ']);
});

it('keeps what comes during an answer until that was sent', async () => {
  const gate = Promise.withResolvers<void>();
  const { client, received } = await serve(async (request, answer) => {
    if (request.target === '/lane/first') await gate.promise;
    await echo(request, answer);
  });
  const raw = client();
  raw.send('GET /lane/first HTTP/1.1', 'host: x');
  await expect.poll(received).toEqual([37]);
  raw.send('GET /lane/second HTTP/1.1', 'host: x');
  await expect.poll(received).toEqual([37 + 38]);
  raw.send('DELETE /third HTTP/1.1', 'host: x');
  gate.resolve();
  expect(await text(raw)).toBe('lane: /lane/first undefined');
  const rest = [await text(raw), await text(raw)];
  expect(rest[0]).toContain('/lane/second');
  expect(rest[1]).toBe('app: DELETE /third ');
});

it('waits until the operating system has a piece, and says when the client has gone', async () => {
  const piece = Buffer.alloc(64 * 1024 * 1024);
  const outcome = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  const { client } = await serve(async (_request, answer) => {
    answer.begin(200, { 'content-length': piece.length });
    const taken = answer.write(piece);
    outcome.resolve(taken);
    begun.resolve();
    await taken?.catch(() => {});
  });
  const raw = client();
  raw.pause();
  raw.send('GET /lane/a HTTP/1.1', 'host: x');
  await begun.promise;
  raw[Symbol.dispose]();
  await expect(outcome.promise).rejects.toMatchObject({ code: 'client_gone' });
});

it('closes connections without a request, and those whose clients take nothing', async () => {
  const { clock, step } = steppedClock();
  const cut = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { client, received } = await serve(async (_request, answer) => {
    answer.begin(200, { 'content-length': 1 << 26 });
    const taken = answer.write(Buffer.alloc(1 << 26));
    begun.resolve();
    await taken?.catch(() => cut.resolve());
  }, clock);
  const stuck = client();
  stuck.pause();
  stuck.send('GET /lane/a HTTP/1.1', 'host: x');
  const idle = client();
  await begun.promise;
  await expect.poll(() => received().length).toBe(2);
  // The connections are looked at four times in the shorter timeout.
  const everyMs = KEEP_ALIVE_MS / 4;
  for (let ms = 0; ms <= KEEP_ALIVE_MS; ms += everyMs) step();
  await idle.untilClosed();
  expect(stuck.isClosed).toBe(false);
  for (let ms = 0; ms <= SEND_IDLE_MS; ms += everyMs) step();
  await cut.promise;
});

it('lets answers end when the server stops, and closes the rest at once', async () => {
  const gate = Promise.withResolvers<void>();
  const { client, server, received } = await serve(async (request, answer) => {
    await gate.promise;
    await echo(request, answer);
  });
  const idle = client();
  const busy = client();
  busy.send('GET /lane/a HTTP/1.1', 'host: x');
  await expect.poll(() => received().toSorted((a, b) => a - b)).toEqual([0, 33]);
  const stopped = server[Symbol.asyncDispose]();
  await idle.untilClosed();
  gate.resolve();
  expect(await text(busy)).toBe('lane: /lane/a undefined');
  await stopped;
  expect(busy.isClosed || busy.received.length === 0).toBe(true);
});

it('answers a client that has ended its side, and ends the other', async () => {
  const raw = (await serve(echo)).client();
  raw.send('GET /lane/a HTTP/1.1', 'host: x');
  raw.end();
  expect(await text(raw)).toBe('lane: /lane/a undefined');
  await raw.untilClosed();
});
