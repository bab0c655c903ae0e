import { Hono } from 'hono';
import { expect, it, onTestFinished } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import { createLogger } from '../logging/logger.ts';
import { createDirectHandler, type DirectRoute } from './direct-routes.ts';
import { HttpServer } from './http-server.ts';
import { createProblemHandlers } from './problem-handlers.ts';

/** Serves the routes in front of an app that answers everything with its name. */
async function serve(...routes: DirectRoute[]): Promise<{ url: string; taken: string[] }> {
  const taken: string[] = [];
  const logger = createLogger({ name: 'test', level: 'silent' });
  const statusOf = (code: string) => ({ teapot: 418, internal: 500 })[code];
  const server = await HttpServer.open({
    fetch: new Hono().all('*', (context) => context.text('the app')).fetch,
    direct: createDirectHandler(routes, {
      problems: createProblemHandlers(logger, statusOf),
      onRequest: ({ url = '' }) => taken.push(url),
    }),
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 5000,
    keepAliveTimeoutMs: 5000,
    maxHeaderBytes: 8192,
    drainTimeoutMs: 100,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { url: server.url, taken };
}

it('takes the GET and HEAD requests that a route matches, and leaves the rest to the app', async () => {
  const { url, taken } = await serve({
    target: /^\/bytes\/(\w+)$/,
    answer: async ({ outgoing, match }) => void outgoing.end(`bytes of ${match[1]}`),
  });
  const text = async (path: string, method = 'GET') => (await fetch(url + path, { method })).text();
  expect(await text('/bytes/a')).toBe('bytes of a');
  expect(await text('/bytes/a', 'HEAD')).toBe('');
  expect(await text('/bytes/a', 'DELETE')).toBe('the app');
  expect(await text('/bytes/a/b')).toBe('the app');
  expect(taken).toEqual(['/bytes/a', '/bytes/a']);
});

it('takes other requests for a route that says so', async () => {
  const { url } = await serve({
    target: /^\/bytes$/,
    takes: ({ method, headers }) => method === 'PUT' && headers['content-length'] === '1',
    answer: async ({ outgoing, incoming }) => void outgoing.end(`${incoming.method} of bytes`),
  });
  const text = async (init: RequestInit) => (await fetch(`${url}/bytes`, init)).text();
  expect(await text({ method: 'PUT', body: 'a' })).toBe('PUT of bytes');
  expect(await text({ method: 'PUT', body: 'ab' })).toBe('the app');
  expect(await text({})).toBe('the app');
});

it('answers with a problem document that has the id of the request', async () => {
  const { url } = await serve({
    target: /^\/refused/,
    answer: async () => {
      throw new AppError('teapot', 'No.', { details: { headers: { 'x-tea': 'green' } } });
    },
  });
  const response = await fetch(`${url}/refused?x=1`, { headers: { 'x-request-id': 'abcdefgh' } });
  expect(response.status).toBe(418);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'application/problem+json',
    'x-request-id': 'abcdefgh',
    'x-tea': 'green',
  });
  expect(await response.json()).toMatchObject({ code: 'teapot', requestId: 'abcdefgh' });
  const head = await fetch(`${url}/refused`, { method: 'HEAD' });
  expect([head.status, head.headers.get('x-request-id')?.length]).toEqual([418, 36]);
});

it('cuts an answer that fails after it has begun, and goes on serving', async () => {
  const { url } = await serve({
    target: /^\/broken/,
    answer: async ({ outgoing }) => {
      outgoing.writeHead(200, { 'content-length': 10 }).write('short');
      throw new Error('a fault');
    },
  });
  await expect(fetch(`${url}/broken`).then((response) => response.text())).rejects.toThrow();
  expect(await (await fetch(`${url}/other`)).text()).toBe('the app');
});
