import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Clock, sleepOn } from '../../lib/clock/clock.ts';
import { ResponseSink } from './response-sink.ts';

const IDLE_TIMEOUT_MS = 1000;
/** More than the buffers of both sockets hold. */
const PIECE = Buffer.alloc(64 * 1024 * 1024);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Time that passes when it is told to. */
function manualClock(): { clock: Clock; pass(ms: number): void } {
  let nowMs = 0;
  let timers: { atMs: number; action: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, action) {
      const timer = { atMs: nowMs + delayMs, action };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  };
  return {
    clock,
    pass(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [due] = timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (due === undefined) break;
        timers = timers.filter((other) => other !== due);
        nowMs = due.atMs;
        due.action();
      }
      nowMs = untilMs;
    },
  };
}

/** A response and the client it goes to, which reads nothing yet. */
async function connectedResponse(): Promise<{ outgoing: ServerResponse; client: Socket }> {
  const asked = Promise.withResolvers<ServerResponse>();
  const server = createServer((_incoming, outgoing) => asked.resolve(outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  cleanups.push(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  client.on('error', () => {});
  client.pause().write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const outgoing = await asked.promise;
  outgoing.writeHead(200, { 'content-length': PIECE.length });
  return { outgoing, client };
}

/** The bytes of a write that the operating system has not taken. */
function queuedBytes(outgoing: ServerResponse): number {
  return (outgoing.socket as unknown as { _handle: { writeQueueSize: number } })._handle.writeQueueSize;
}

/** Lets the client read until the operating system has taken more from the server, or everything. */
function readOneStep(client: Socket, outgoing: ServerResponse): Promise<void> {
  const before = queuedBytes(outgoing);
  return new Promise((resolve) => {
    const onData = () => {
      if (queuedBytes(outgoing) === before) return;
      client.pause().off('data', onData);
      resolve();
    };
    client.on('data', onData).resume();
  });
}

it('bears a client that needs many timeouts for a piece, as long as it takes something', async () => {
  const { clock, pass } = manualClock();
  const { outgoing, client } = await connectedResponse();
  const sink = new ResponseSink(outgoing, { clock, idleTimeoutMs: IDLE_TIMEOUT_MS });
  let taken = false;
  const written = sink.write(PIECE).then(() => {
    taken = true;
  });
  await expect.poll(() => queuedBytes(outgoing)).toBeGreaterThan(0);
  let steps = 0;
  while (!taken && queuedBytes(outgoing) > 0) {
    pass(IDLE_TIMEOUT_MS - 1);
    await readOneStep(client, outgoing);
    steps++;
  }
  await written;
  expect(steps).toBeGreaterThan(3);
});

it('cuts a client that takes nothing for the timeout, also in the middle of a piece', async () => {
  const { clock, pass } = manualClock();
  const { outgoing, client } = await connectedResponse();
  const sink = new ResponseSink(outgoing, { clock, idleTimeoutMs: IDLE_TIMEOUT_MS });
  const written = sink.write(PIECE);
  await expect.poll(() => queuedBytes(outgoing)).toBeGreaterThan(0);
  await readOneStep(client, outgoing);
  pass(IDLE_TIMEOUT_MS - 1);
  expect(outgoing.destroyed).toBe(false);
  pass(IDLE_TIMEOUT_MS);
  await expect(written).rejects.toMatchObject({ code: 'client_gone' });
});
