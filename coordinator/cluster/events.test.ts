import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createProblemHandlers } from '../../lib/http/problem-handlers.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { statusOf } from '../errors.ts';
import { createEventRoutes } from './event-routes.ts';
import { type ClusterEvent, ClusterEvents } from './events.ts';

describe.each(ENGINES)('events on %s', (engine) => {
  let database: DatabaseHandle;
  let stack: AsyncDisposableStack;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
  });
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    await database.kysely.deleteFrom('cluster_events').execute();
  });
  afterEach(() => stack.disposeAsync());

  const open = async () => stack.use(await ClusterEvents.open(database, silentLogger));

  test('every coordinator hears them in order, and those that are kept can be read later', async () => {
    const [here, there] = [await open(), await open()];
    const heard: ClusterEvent[] = [];
    there.listen((event) => heard.push(event));
    here.record('node_down', '018f0000-0000-7000-8000-000000000001', { reason: 'silent' });
    here.announce('progress', null, { done: 0.5 });
    here.record('node_up', null);
    await expect.poll(() => heard.map(({ kind }) => kind)).toEqual(['node_down', 'progress', 'node_up']);
    const kept = await here.since(0, 10);
    expect(kept).toEqual([heard[0], heard[2]]);
    expect(await here.since(kept[0]!.id!, 10)).toEqual([heard[2]]);
    expect(await here.latest(1)).toEqual([heard[2]]);
    expect(heard[1]!.id).toBeNull();
  });

  test('details that are too long are told short and kept whole', async () => {
    const events = await open();
    const heard: ClusterEvent[] = [];
    events.listen((event) => heard.push(event));
    const details = { text: 'x'.repeat(9000) };
    events.record('long', null, details);
    await expect.poll(() => heard).toHaveLength(1);
    expect(heard[0]!.details).toEqual({ truncated: true });
    expect((await events.latest(1))[0]!.details).toEqual(details);
  });

  test('the stream tells what was missed, then what comes, and ends with the server', async () => {
    const events = await open();
    events.record('first', null);
    events.record('second', null);
    await expect.poll(() => events.since(0, 10)).toHaveLength(2);
    const [first] = await events.since(0, 10);
    const stopping = new AbortController();
    const app = new Hono().route(
      '/',
      createEventRoutes({ events, isRevoked: () => false, stopping: stopping.signal }),
    );
    const response = await app.request('/admin/events', { headers: { 'last-event-id': String(first!.id) } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    let text = '';
    const read = (async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece;
    })();
    await expect.poll(() => text).toContain('event: second');
    events.announce('third', null, { done: 1 });
    await expect.poll(() => text).toContain('event: third');
    expect(text).not.toContain('event: first');
    expect(text).toMatch(/event: second\ndata: {.*}\nid: \d+\n\n/);
    stopping.abort();
    await read;
  });

  test('who asks for nothing but the headers listens to nothing', async () => {
    let listeners = 0;
    const listen = () => {
      listeners += 1;
      return () => {};
    };
    const events = { listen, since: async () => [] } as unknown as ClusterEvents;
    const { signal: stopping } = new AbortController();
    const app = new Hono().route('/', createEventRoutes({ events, isRevoked: () => false, stopping }));
    const { status, headers } = await app.request('/admin/events', { method: 'HEAD' });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(listeners).toBe(0);
  });

  test('an id that is none is refused', async () => {
    const events = await open();
    const app = new Hono();
    app.onError(createProblemHandlers(silentLogger, statusOf).onError);
    const { signal: stopping } = new AbortController();
    app.route('/', createEventRoutes({ events, isRevoked: () => false, stopping }));
    const response = await app.request('/admin/events', { headers: { 'last-event-id': 'x' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request' });
  });
});
