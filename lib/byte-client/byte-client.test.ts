import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { ByteClient, type ByteClientOptions } from './byte-client.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function createClient(options: Partial<ByteClientOptions> = {}): ByteClient {
  const client = new ByteClient({
    clock: systemClock,
    connectTimeoutMs: 2000,
    idleTimeoutMs: 5000,
    maxIdlePerHost: 4,
    ...options,
  });
  cleanups.push(() => client[Symbol.asyncDispose]());
  return client;
}

async function serve(handler: Parameters<typeof createServer>[1]): Promise<{ url: string; server: Server }> {
  const server = createServer(handler as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A server that answers every connection with the given bytes as soon as it is asked anything. */
async function serveRaw(onRequest: (socket: Socket, count: number) => void): Promise<string> {
  let count = 0;
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => onRequest(socket, ++count));
    cleanups.push(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('lands a body in the buffer it was given, again and again on one connection', async () => {
  const body = randomBytes(3_000_001);
  const ports = new Set<number>();
  const { url } = await serve((request, response) => {
    ports.add(request.socket.remotePort ?? 0);
    response.writeHead(200, { 'content-length': body.length }).end(body);
  });
  const client = createClient();
  for (let round = 0; round < 5; round++) {
    const into = Buffer.alloc(body.length);
    const response = await client.request({ method: 'GET', url: `${url}/x`, into });
    await response.completed();
    expect(into.equals(body)).toBe(true);
  }
  expect(ports.size).toBe(1);
});

it('pipes a body with backpressure and keeps every byte in order', async () => {
  const body = randomBytes(2_500_000);
  const { url } = await serve((_request, response) => {
    response.writeHead(206, { 'content-length': body.length, 'x-it': 'yes' }).end(body);
  });
  const client = createClient();
  for (const slow of [false, true, false]) {
    const pieces: Buffer[] = [];
    const response = await client.request({ method: 'GET', url });
    expect(response.headers.get('x-it')).toBe('yes');
    await response.pipe((piece) => {
      pieces.push(Buffer.from(piece));
      return slow ? new Promise((resolve) => setImmediate(resolve)) : undefined;
    });
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
  }
});

it('reads into no more large buffers than it may, counting those of closed connections that are still in use', async () => {
  const body = randomBytes(6_000_000);
  const { url } = await serve((_request, response) =>
    response.writeHead(200, { 'content-length': body.length }).end(body),
  );
  const small = 64 * 1024;
  const client = createClient({
    stageBytes: small,
    largeStages: { bytes: 4 * small, max: 1 },
    maxIdlePerHost: 0,
  });
  /** The longest piece of a whole body, with the time for the next one to pile up. */
  const longestPiece = async () => {
    let longest = 0;
    const response = await client.request({ method: 'GET', url });
    await response.pipe((piece) => {
      longest = Math.max(longest, piece.length);
      return systemClock.sleep(2);
    });
    return longest;
  };
  expect(await longestPiece()).toBeGreaterThan(small);

  const held = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const cut = await client.request({ method: 'GET', url });
  const piped = cut.pipe(() => {
    began.resolve();
    return held.promise;
  });
  await began.promise;
  cut.destroy();
  await expect(piped).rejects.toMatchObject({ code: 'peer_closed' });
  expect(await longestPiece()).toBe(small);
  held.resolve();
  await held.promise;
  expect(await longestPiece()).toBeGreaterThan(small);
});

it('finds the end of a head wherever the reads cut it', async () => {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
  for (let cut = 1; cut < answer.length; cut++) {
    const url = await serveRaw((socket) => {
      socket.setNoDelay(true);
      socket.write(answer.slice(0, cut), () => setImmediate(() => socket.write(answer.slice(cut))));
    });
    expect(await (await createClient().request({ method: 'GET', url })).text(10)).toBe('hello');
  }
});

it('reads answers without a body, to HEAD and with status 204', async () => {
  const { url } = await serve((request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': 999 }).end();
    else response.writeHead(204).end();
  });
  const client = createClient();
  const head = await client.request({ method: 'HEAD', url });
  expect([head.status, head.contentLength]).toEqual([200, 999]);
  await head.completed();
  expect((await client.request({ method: 'DELETE', url })).status).toBe(204);
});

it('takes a body that came whole from a peer that closes after it', async () => {
  const url = await serveRaw((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello');
  });
  const client = createClient();
  const into = Buffer.alloc(5);
  await (await client.request({ method: 'GET', url, into })).completed();
  expect(into.toString()).toBe('hello');
  expect(await (await client.request({ method: 'GET', url })).text(10)).toBe('hello');

  const empty = await serveRaw((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
  await (await client.request({ method: 'GET', url: empty })).pipe(() => {});
});

it('takes a body whose last bytes and end came before anybody waited for them', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await serveRaw((socket) => {
    socket.on('close', () => closed.resolve());
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe');
    setTimeout(() => socket.end('llo'), 20);
  });
  const into = Buffer.alloc(5);
  const response = await createClient().request({ method: 'GET', url, into });
  await closed.promise;
  await response.completed();
  expect(into.toString()).toBe('hello');
});

it('rejects a body that ends early, wherever it is being read to', async () => {
  const url = await serveRaw((socket) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
  });
  const client = createClient();
  const into = await client.request({ method: 'GET', url, into: Buffer.alloc(10) });
  await expect(into.completed()).rejects.toMatchObject({ code: 'peer_closed' });
  const piped = await client.request({ method: 'GET', url });
  await expect(piped.pipe(() => {})).rejects.toMatchObject({ code: 'peer_closed' });
});

it.each<[string, string]>([
  ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc', 'longer'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'transfer coding'],
  ['HTTP/1.1 200 OK\r\n\r\n', 'Content-Length'],
  ['SSH-2.0-x\r\n\r\n', 'status line'],
  [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`, 'too long'],
])('refuses an unusual answer (case %#)', async (answer, why) => {
  const url = await serveRaw((socket) => socket.write(answer));
  const client = createClient();
  await expect(client.request({ method: 'GET', url })).rejects.toMatchObject({
    code: 'peer_protocol',
    message: expect.stringContaining(why),
  });
});

it('gives up on a peer that stalls, before the head and inside a body', async () => {
  const silent = await serveRaw(() => {});
  const client = createClient({ idleTimeoutMs: 60 });
  await expect(client.request({ method: 'GET', url: silent })).rejects.toMatchObject({
    code: 'peer_stalled',
  });
  const stalling = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'));
  const response = await client.request({ method: 'GET', url: stalling });
  await expect(response.pipe(() => {})).rejects.toMatchObject({ code: 'peer_stalled' });
});

it('does not blame the peer for a time in which this process could not read', async () => {
  const idleTimeoutMs = 60;
  const url = await serveRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab');
    // In an immediate: the client's timer comes next, before anything is read.
    const block = () => {
      socket.write('cde');
      const untilMs = performance.now() + 2 * idleTimeoutMs;
      while (performance.now() < untilMs);
    };
    setTimeout(() => setImmediate(block), 20);
  });
  const response = await createClient({ idleTimeoutMs }).request({ method: 'GET', url });
  expect(await response.text(10)).toBe('abcde');
});

it('does not blame the peer while its own consumer is slow', async () => {
  const body = randomBytes(600_000);
  const { url } = await serve((_request, response) =>
    response.writeHead(200, { 'content-length': body.length }).end(body),
  );
  const client = createClient({ idleTimeoutMs: 40 });
  let total = 0;
  const response = await client.request({ method: 'GET', url });
  let delayed = false;
  await response.pipe((piece) => {
    total += piece.length;
    if (delayed) return undefined;
    delayed = true;
    return systemClock.sleep(120);
  });
  expect(total).toBe(body.length);
});

it('sends a request again when a kept connection turns out to be closed', async () => {
  const url = await serveRaw((socket, count) => {
    if (count === 2) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  const client = createClient();
  expect(await (await client.request({ method: 'GET', url })).text(10)).toBe('ok');
  expect(await (await client.request({ method: 'GET', url })).text(10)).toBe('ok');
});

it('sends nothing once it was closed, not even again', async () => {
  const arrived = Promise.withResolvers<void>();
  let requests = 0;
  const { url } = await serve((_, response) => {
    requests += 1;
    if (requests === 1) response.writeHead(200, { 'content-length': 0 }).end();
    else arrived.resolve();
  });
  const client = createClient();
  await client.request({ method: 'GET', url: `${url}/first` });
  // On the kept connection, where a cut before any answer means another try.
  const waiting = client.request({ method: 'POST', url: `${url}/second` });
  await arrived.promise;
  await client[Symbol.asyncDispose]();
  await expect(waiting).rejects.toMatchObject({ code: 'peer_closed' });
  await expect(client.request({ method: 'GET', url: `${url}/third` })).rejects.toMatchObject({
    code: 'peer_closed',
  });
  expect(requests).toBe(2);
});

it('does not count closed connections against the ones it keeps', async () => {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
  const sockets = new Set<Socket>();
  const bothAsked = Promise.withResolvers<void>();
  const url = await serveRaw((socket, count) => {
    sockets.add(socket);
    if (count === 2) bothAsked.resolve();
    if (count > 2) socket.write(answer);
  });
  const client = createClient({ maxIdlePerHost: 1 });
  const ask = async () => await (await client.request({ method: 'GET', url })).text(10);
  const answers = [ask(), ask()];
  await bothAsked.promise;
  const [first, second] = [...sockets] as [Socket, Socket];
  first.write(answer);
  await Promise.race(answers);
  const closed = new Promise((resolve) => first.once('close', resolve));
  first.end();
  await closed;
  second.write(answer);
  await Promise.all(answers);
  expect(await ask()).toBe('ok');
  expect(sockets.size).toBe(2);
});

it('stops with the reason of the signal, and a late destroy harms nobody else', async () => {
  const { url } = await serve((request, response) => {
    if (request.url === '/ok') response.writeHead(200, { 'content-length': 2 }).end('ok');
  });
  const client = createClient();
  const abort = new AbortController();
  const hanging = client.request({ method: 'GET', url: `${url}/hang`, signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(hanging).rejects.toThrow('enough');

  const first = await client.request({ method: 'GET', url: `${url}/ok` });
  await first.text(10);
  const second = await client.request({ method: 'GET', url: `${url}/ok` });
  first.destroy();
  expect(await second.text(10)).toBe('ok');
});

it('reports an unreachable peer', async () => {
  const { url, server } = await serve(() => {});
  await new Promise((resolve) => server.close(resolve));
  await expect(createClient().request({ method: 'GET', url })).rejects.toMatchObject({
    code: 'peer_unreachable',
  });
});
