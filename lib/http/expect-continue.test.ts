import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { continueOnFirstRead } from './expect-continue.ts';
import { RawClient } from './test-support/raw-client.ts';

let server: Server;

/** Reads the body of a POST to /read; refuses everything else without a look at it. */
beforeEach(async () => {
  server = createServer((incoming, outgoing) => {
    if (incoming.url !== '/read') {
      outgoing.writeHead(413, { 'content-length': 2 });
      outgoing.end('no');
      return;
    }
    let size = 0;
    incoming.on('data', (piece) => {
      size += piece.length;
    });
    incoming.on('end', () => outgoing.end(String(size)));
  });
  server.on('checkContinue', (incoming, outgoing) => {
    continueOnFirstRead(incoming, outgoing);
    server.emit('request', incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

const port = () => (server.address() as AddressInfo).port;
const head = (path: string) => [
  `POST ${path} HTTP/1.1`,
  'Host: x',
  'Expect: 100-continue',
  'Content-Length: 5',
];

test('a body that is wanted is asked for, and the connection goes on', async () => {
  using client = new RawClient(port());
  for (let round = 0; round < 2; round++) {
    client.send(...head('/read'));
    expect(await client.response()).toMatchObject({ status: 100 });
    client.sendBytes('hello');
    expect(await client.response()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
  }
});

test('a body that is not wanted is not asked for, and the connection closes', async () => {
  using client = new RawClient(port());
  client.send(...head('/refuse'));
  expect(await client.response()).toMatchObject({ status: 413, headers: { connection: 'close' } });
  await client.untilClosed();
  expect(client.received).toHaveLength(0);
});

test('a client that does not wait is served as well', async () => {
  using client = new RawClient(port());
  client.send(...head('/read'));
  client.sendBytes('hello');
  expect(await client.response()).toMatchObject({ status: 100 });
  expect((await client.response()).status).toBe(200);
});
