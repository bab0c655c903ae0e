import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { Agent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { AddressGuard, type Resolve } from '../imports/address-guard.ts';
import { ANSWER_BYTES_MAX, EXCERPT_LENGTH_MAX } from './limits.ts';
import { readRetryAfter, Sender } from './sender.ts';
import { formatSecret, signatureHeaders } from './signature.ts';
import { judge } from './verdict.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const never = new AbortController().signal;

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

function senderOf({
  resolve = async () => [{ address: '127.0.0.1', family: 4 }],
  allowPrivate = true,
  timeoutMs = 10_000,
}: {
  resolve?: Resolve;
  allowPrivate?: boolean;
  timeoutMs?: number;
} = {}): Sender {
  const guard = new AddressGuard({ resolve, allowPrivate, ports: null, refusal: 'webhook_refused' });
  const dispatcher = new Agent({ connect: { lookup: guard.lookup }, pipelining: 0 });
  onTestFinished(() => dispatcher.destroy());
  return new Sender({ guard, dispatcher, clock: systemClock, timeoutMs });
}
const post = (url: string, sender = senderOf(), stopping = never) => sender.post(url, {}, '{}', stopping);

test('what arrives is what was signed, as another program finds', async () => {
  const secret = Buffer.alloc(32, 7);
  const body = JSON.stringify({
    type: 'video.ready',
    timestamp: new Date().toISOString(),
    data: { title: 'Ä—🎬' },
  });
  const signed = signatureHeaders([Buffer.alloc(24), secret], {
    id: 'an-id',
    timestampS: Math.floor(Date.now() / 1000),
    body,
  });
  let received: unknown;
  const url = await serve(async (request, response) => {
    const raw = await text(request);
    received = new Webhook(formatSecret(secret)).verify(raw, request.headers as Record<string, string>);
    const { method, headers } = request;
    response.end(
      `${method} ${headers['content-type']} ${headers['content-length'] === String(Buffer.byteLength(raw))}`,
    );
  });
  const sent = await senderOf().post(url, signed, body, never);
  expect(sent).toMatchObject({ statusCode: 200, error: null, response: 'POST application/json true' });
  expect(received).toEqual(JSON.parse(body));
});

test.each([
  [201, null],
  [302, 'The endpoint answered 302. Redirects are not followed.'],
  [404, 'The endpoint answered 404.'],
  [410, 'The endpoint answered 410.'],
  [500, 'The endpoint answered 500.'],
])('an answer of %i', async (status, error) => {
  let asked = 0;
  const url = await serve((_, response) => {
    asked += 1;
    response.writeHead(status, { location: '/elsewhere' }).end('said');
  });
  const sent = await post(url);
  expect(sent).toMatchObject({ statusCode: status, error, response: 'said', retryAfterMs: null });
  expect(sent.durationMs).toBeGreaterThan(0);
  expect(asked).toBe(1);
});

test('an endpoint that says nothing in time has failed', async () => {
  const sent = await post(await serve(() => {}), senderOf({ timeoutMs: 50 }));
  expect(sent).toMatchObject({
    statusCode: null,
    error: 'There was no answer within 0.05 s.',
    response: null,
  });
});

test('of an answer without end only the beginning is read, and what its status says counts', async () => {
  let isClosed = false;
  const url = await serve((_, response) => {
    const go = () => {
      while (response.write('x'.repeat(1000)));
    };
    response.on('drain', go).on('close', () => {
      isClosed = true;
    });
    response.writeHead(500);
    go();
  });
  const sent = await post(url);
  expect(sent).toMatchObject({ statusCode: 500, response: 'x'.repeat(EXCERPT_LENGTH_MAX) });
  expect(EXCERPT_LENGTH_MAX).toBeLessThan(ANSWER_BYTES_MAX);
  await expect.poll(() => isClosed).toBe(true);
  const dripping = await serve((_, response) => void response.writeHead(200).write('slowly'));
  expect(await post(dripping, senderOf({ timeoutMs: 100 }))).toMatchObject({
    statusCode: 200,
    error: null,
    response: 'slowly',
  });
});

test('what an answer says is text that can be stored, whatever it is', async () => {
  const url = await serve((_, response) => response.end(Buffer.from([0, 65, 255, 27, 10, 66, 0xf0, 0x9f])));
  expect((await post(url)).response).toBe('A\u{fffd}\nB');
});

test('an answer with endless headers, a cut one, and none at all', async () => {
  const raw = async (answer: string) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(answer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  const long = await post(await raw(`HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(200_000)}\r\n\r\n`));
  expect(long).toMatchObject({
    statusCode: null,
    error: expect.stringContaining('UND_ERR_HEADERS_OVERFLOW'),
  });
  expect((await post(await raw('HTTP/1.1 2'))).error).toContain('cannot be reached');
  const url = await raw('');
  expect((await post(url)).error).toContain('cannot be reached');
  const refused = await post('http://127.0.0.1:1/');
  expect(refused).toMatchObject({
    statusCode: null,
    error: 'The endpoint cannot be reached (ECONNREFUSED).',
  });
});

test('an address that only the server can reach is never asked, whatever its name said before', async () => {
  let asked = 0;
  const url = new URL(await serve((_, response) => void response.end(String(++asked))));
  // An address needs no lookup, and is looked at all the same.
  const guarded = senderOf({ allowPrivate: false });
  const refusal = { statusCode: null, error: 'The address of the URL is not a public one.' };
  expect(await post(url.href, guarded)).toMatchObject(refusal);
  // A name that was harmless when the endpoint was made leads elsewhere now.
  const named = `http://rebound.example:${url.port}/`;
  const answers = ['8.8.8.8', '127.0.0.1', '::ffff:127.0.0.1', '169.254.169.254'];
  const guard = new AddressGuard({ resolve: async () => [], allowPrivate: false, ports: null });
  expect(guard.check(named).href).toBe(named);
  for (const address of answers.slice(1)) {
    const resolve = async () => [{ address, family: address.includes(':') ? 6 : 4 }];
    expect(await post(named, senderOf({ resolve, allowPrivate: false }))).toMatchObject(refusal);
  }
  expect(asked).toBe(0);
});

test('who stops does not wait for an answer', async () => {
  const stop = new AbortController();
  const sending = post(await serve(() => stop.abort(new Error('stopped'))), senderOf(), stop.signal);
  await expect(sending).rejects.toThrow('stopped');
});

test.each([
  ['120', 120_000],
  ['Sat, 17 Jan 2026 09:30:30 GMT', 30_000],
  ['Sat, 17 Jan 2026 09:29:30 GMT', 0],
  ['-1', null],
  ['soon', null],
  ['99999999999', null],
  [undefined, null],
])('Retry-After: %s', (value, expected) => {
  expect(readRetryAfter(value, Date.parse('2026-01-17T09:30:00Z'))).toBe(expected);
});

test('pauses are longer by up to a tenth, so that what failed together is not tried together', () => {
  const failure = { statusCode: 500, error: 'x' };
  const retry = (random: number, retryAfterMs: number | null = null) =>
    judge(failure, { tries: 2, isTest: false, retryAfterMs, random });
  expect(retry(0)).toMatchObject({ retryInMs: 300_000, pauseMs: 0 });
  expect(retry(1)).toMatchObject({ retryInMs: 330_000 });
  // A pause that is asked for does not make the next attempt sooner.
  expect(retry(0, 10_000)).toMatchObject({ retryInMs: 300_000, pauseMs: 10_000 });
});
