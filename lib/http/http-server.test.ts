import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { HttpServer } from './http-server.ts';

const LIMITS = {
  host: '127.0.0.1',
  port: 0,
  headersTimeoutMs: 5000,
  keepAliveTimeoutMs: 5000,
  maxHeaderBytes: 8192,
  drainTimeoutMs: 100,
};

/** Everything the server sends back to the given bytes until it closes the connection. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (piece) => {
      answer += piece.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

it.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
  [
    'headers that are too long',
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na',
    400,
    'malformed_request',
  ],
])('answers %s with a problem document and closes', async (_name, bytes, status, code) => {
  await using server = await HttpServer.open({ ...LIMITS, fetch: new Hono().fetch });
  const answer = await exchange(server.port, bytes);
  const [head, body] = answer.split('\r\n\r\n') as [string, string];
  expect(head).toContain(`HTTP/1.1 ${status} `);
  expect(head).toContain('application/problem+json');
  expect(JSON.parse(body)).toMatchObject({ status, code });
});

it('cuts a client that keeps its side open after it was refused', async () => {
  await using server = await HttpServer.open({ ...LIMITS, fetch: new Hono().fetch });
  const accepted: Socket[] = [];
  const onAccepted = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort === server.port) accepted.push(socket);
  };
  subscribe('net.server.socket', onAccepted);
  const client = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  try {
    client.on('error', () => {});
    client.resume().write('hello\r\n\r\n');
    await new Promise((resolve) => client.once('end', resolve));
    expect(client.writable).toBe(true);
    expect(accepted).toHaveLength(1);
    await expect.poll(() => accepted[0]?.destroyed, { timeout: 4000 }).toBe(true);
  } finally {
    unsubscribe('net.server.socket', onAccepted);
    client.destroy();
  }
});

it('answers a refused client that goes on sending', async () => {
  await using server = await HttpServer.open({ ...LIMITS, fetch: new Hono().fetch });
  expect(await exchange(server.port, `hello\r\n\r\n${'y'.repeat(8_000_000)}`)).toContain('malformed_request');
});

it('closes connections beyond its maximum', async () => {
  const app = new Hono().get('/', (context) => context.text('served'));
  await using server = await HttpServer.open({ ...LIMITS, maxConnections: 1, fetch: app.fetch });
  const request = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
  const first = connect(server.port, '127.0.0.1');
  await new Promise((resolve) => first.once('connect', resolve));
  expect(await exchange(server.port, request)).toBe('');
  first.destroy();
  await expect.poll(() => exchange(server.port, request)).toContain('served');
});

it('lets an open request end when it stops, and cuts it at the deadline', async () => {
  const started = Promise.withResolvers<void>();
  const app = new Hono();
  app.get('/slow', async (context) => {
    started.resolve();
    await new Promise((resolve) => setTimeout(resolve, 30));
    return context.text('done');
  });
  app.get('/stuck', () => {
    started.resolve();
    return new Promise<Response>(() => {});
  });
  for (const [path, outcome] of [
    ['/slow', 'done'],
    ['/stuck', 'cut'],
  ] as const) {
    const server = await HttpServer.open({
      ...LIMITS,
      drainTimeoutMs: path === '/slow' ? 5000 : 50,
      fetch: app.fetch,
    });
    const answer = fetch(`${server.url}${path}`).then(
      (response) => response.text(),
      () => 'cut',
    );
    await started.promise;
    await server[Symbol.asyncDispose]();
    expect(await answer).toBe(outcome);
  }
});
