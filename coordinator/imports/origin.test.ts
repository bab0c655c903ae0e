import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Agent, MockAgent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../lib/clock/clock.ts';
import { AddressGuard } from './address-guard.ts';
import { isPassing, Origin } from './origin.ts';

const BYTES = randomBytes(300_000);
const ETAG = '"one"';
const clock: Clock = { ...systemClock, sleep: async () => {} };
const signal = new AbortController().signal;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function originOf(): Origin {
  const guard = new AddressGuard({ resolve: async () => [], allowPrivate: true, ports: null });
  const dispatcher = new Agent({ connect: { lookup: guard.lookup } });
  onTestFinished(() => dispatcher.destroy());
  return new Origin({ guard, dispatcher, clock });
}

/** Sends the file, `pieceBytes` in each answer before the connection is cut. */
function cutting(pieceBytes: number, ranges: (string | undefined)[], etagOf = () => ETAG): Handler {
  return (request, response) => {
    const { range, 'if-range': ifRange } = request.headers;
    ranges.push(range);
    const isPart = range !== undefined && ifRange === etagOf();
    const first = isPart ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    const rest = BYTES.subarray(first);
    response.writeHead(isPart ? 206 : 200, {
      etag: etagOf(),
      'content-length': rest.length,
      'content-type': 'video/mp4',
      ...(isPart && { 'content-range': `bytes ${first}-${BYTES.length - 1}/${BYTES.length}` }),
    });
    if (rest.length <= pieceBytes) response.end(rest);
    else response.write(rest.subarray(0, pieceBytes), () => response.destroy());
  };
}

test('a body that breaks off is gone on with by Range, as often as needed', async () => {
  const ranges: (string | undefined)[] = [];
  const file = await originOf().open(`${await serve(cutting(100_000, ranges))}/film.mp4`, signal);
  expect([file.size, file.contentType]).toEqual([BYTES.length, 'video/mp4']);
  expect((await buffer(file.body)).equals(BYTES)).toBe(true);
  expect(ranges.length).toBeGreaterThan(2);
});

test('a file that is another one by now is never joined to the first, but fetched anew', async () => {
  let version = 0;
  const etagOf = () => `"${version++ === 0 ? 'one' : 'two'}"`;
  const file = await originOf().open(await serve(cutting(100_000, [], etagOf)), signal);
  const failure = await buffer(file.body).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'import_failed' });
  expect(isPassing(failure)).toBe(true);
});

test('a server without validators is not asked to go on', async () => {
  let requests = 0;
  const url = await serve((_, response) => {
    requests += 1;
    response.writeHead(200, { 'content-length': 1000 }).write('x', () => response.destroy());
  });
  const file = await originOf().open(url, signal);
  await expect(buffer(file.body)).rejects.toMatchObject({ code: 'import_failed', retryable: true });
  expect(requests).toBe(1);
});

test.each<[string, number, Record<string, string>, boolean]>([
  ['what is not there', 404, {}, false],
  ['a server in trouble', 503, {}, true],
  ['a web page', 200, { 'content-type': 'text/html; charset=utf-8' }, false],
  ['another coding', 200, { 'content-encoding': 'gzip' }, false],
  ['endless redirects', 302, { location: '/again' }, false],
])('%s is refused', async (_what, status, headers, passing) => {
  const url = await serve((_, response) => response.writeHead(status, headers).end('x'));
  const failure = await originOf()
    .open(url, signal)
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'import_failed' });
  expect(isPassing(failure)).toBe(passing);
});

test('redirects are followed, each after it was checked', async () => {
  const mock = new MockAgent();
  mock.disableNetConnect();
  onTestFinished(() => mock.close());
  const guard = new AddressGuard({ resolve: async () => [], allowPrivate: false, ports: new Set([80, 443]) });
  const pool = mock.get('http://public.example');
  pool.intercept({ path: '/a' }).reply(302, '', { headers: { location: '/b' } });
  pool.intercept({ path: '/b' }).reply(200, 'bytes', { headers: { 'content-length': '5' } });
  pool.intercept({ path: '/evil' }).reply(302, '', { headers: { location: 'http://169.254.169.254/x' } });
  const origin = new Origin({ guard, dispatcher: mock, clock });
  const file = await origin.open('http://public.example/a', signal);
  expect([file.url.pathname, (await buffer(file.body)).toString()]).toEqual(['/b', 'bytes']);
  await expect(origin.open('http://public.example/evil', signal)).rejects.toMatchObject({
    code: 'import_refused',
  });
});

test('what the guard says at the connection is what the caller hears', async () => {
  const guard = new AddressGuard({
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    allowPrivate: false,
    ports: null,
  });
  const dispatcher = new Agent({ connect: { lookup: guard.lookup } });
  onTestFinished(() => dispatcher.destroy());
  const { port } = new URL(await serve((_, response) => response.end('secret')));
  const origin = new Origin({ guard, dispatcher, clock });
  const opening = origin.open(`http://rebound.example:${port}/`, signal);
  await expect(opening).rejects.toMatchObject({ code: 'import_refused', retryable: false });
});
