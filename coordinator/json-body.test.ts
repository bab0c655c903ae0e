import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { createProblemHandlers } from '../lib/http/problem-handlers.ts';
import { silentLogger } from './database/test-support/silent-logger.ts';
import { statusOf } from './errors.ts';
import { readJsonBody } from './json-body.ts';

async function post(body: BodyOf, headers: Record<string, string> = {}) {
  const app = new Hono();
  app.onError(createProblemHandlers(silentLogger, statusOf).onError);
  app.post('/', async (c) => c.json({ value: await readJsonBody(c, { bytesMax: 100, timeoutMs: 50 }) }));
  const response = await app.request('/', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body, duplex: 'half' }),
  } as RequestInit);
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as { code?: string },
  };
}
type BodyOf = string | Uint8Array | ReadableStream | undefined;

/** Sends the pieces and then, unless it ends, nothing more. */
function stream(pieces: string[], ends: boolean): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      if (ends) controller.close();
    },
  });
}

test('a body comes as the JSON that it is, and an absent one as nothing', async () => {
  expect((await post('{"a":"é"}')).json).toEqual({ value: { a: 'é' } });
  expect((await post(stream(['{"a"', ':1}'], true))).json).toEqual({ value: { a: 1 } });
  expect((await post('{}', { 'content-type': 'application/json; charset=utf-8' })).status).toBe(200);
  expect((await post(undefined)).json).toEqual({});
});

test('a body that does not end is given up, and its connection closed', async () => {
  const { status, json, headers } = await post(stream(['{"a":'], false));
  expect([status, json.code, headers.get('connection')]).toEqual([408, 'request_timeout', 'close']);
});

test('a body that is too long is given up, announced or not', async () => {
  const long = 'x'.repeat(101);
  expect((await post(long, { 'content-length': '101' })).json.code).toBe('body_too_large');
  expect((await post(stream([long], false))).json.code).toBe('body_too_large');
});

test('what is not JSON in UTF-8 is refused', async () => {
  expect((await post('{')).json.code).toBe('invalid_json');
  expect((await post(Uint8Array.of(0x22, 0xff, 0x22))).json.code).toBe('invalid_json');
  expect((await post('{}', { 'content-type': 'text/plain' })).json.code).toBe('unsupported_media_type');
});
