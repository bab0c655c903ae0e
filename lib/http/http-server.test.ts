import { connect } from 'node:net';
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
