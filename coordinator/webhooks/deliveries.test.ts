import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { EVENT_MEMORY_MS, REPLAYED_AT_ONCE, ROWS_AT_ONCE } from './limits.ts';
import { formatSecret } from './signature.ts';
import {
  answering,
  type Coordinator,
  OPERATOR,
  type Seen,
  WebhookWorld,
} from './test-support/webhook-world.ts';

const S = 1000;
const HOUR = 3_600_000;

describe.each(ENGINES)('deliveries on %s', (engine) => {
  let world: WebhookWorld;
  beforeAll(async () => {
    world = await WebhookWorld.open(engine);
  });
  afterAll(() => world[Symbol.asyncDispose]());
  beforeEach(() => world.reset());

  /** By another implementation than ours, at the time of the attempt. */
  function verify(secret: string, { headers, body, atMs }: Seen): unknown {
    vi.useFakeTimers({ now: atMs, toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    try {
      return new Webhook(secret).verify(body, { ...headers });
    } finally {
      vi.useRealTimers();
    }
  }

  test('what is tried in vain is tried again for three days, with the same id, and then given up', async () => {
    const { endpoint, secret } = await world.addEndpoint();
    world.answer = () => answering(500, { response: 'out of order' });
    await world.happen();
    expect(await world.here.deliveries.pending(10)).toBe(1);
    const startMs = world.clock.nowMs();
    await world.runDry();
    expect(await world.here.deliveries.pending(10)).toBe(0);
    const hours = (...list: number[]) => list.map((count) => count * HOUR);
    const pauses = [0, 5 * S, 300 * S, 1800 * S, ...hours(2, 5, 10, 14, 20, 24)];
    expect(world.seen.map(({ atMs }, index) => atMs - (world.seen[index - 1]?.atMs ?? startMs))).toEqual(
      pauses,
    );
    expect(new Set(world.seen.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    for (const seen of world.seen) {
      expect(seen.headers['webhook-timestamp']).toBe(String(Math.floor(seen.atMs / 1000)));
      expect(verify(secret, seen)).toMatchObject({
        type: 'video.uploaded',
        data: { id: expect.any(String) },
      });
    }
    expect(await world.deliveriesOf(endpoint)).toMatchObject([
      {
        state: 'failed',
        attempts: 10,
        last: {
          statusCode: 500,
          error: 'The endpoint answered 500.',
          response: 'out of order',
          durationMs: 7,
        },
      },
    ]);
    // Nothing has arrived there for three days.
    expect(await world.service.find(OPERATOR, endpoint.id)).toMatchObject({
      enabled: false,
      disabledReason: 'failing',
    });
    expect(world.disabled).toEqual([`${endpoint.id} failing`]);
    expect(world.outcomes).toEqual([...Array(9).fill('retried'), 'failed']);
  });

  test('an endpoint where other things arrive stays enabled', async () => {
    const { endpoint } = await world.addEndpoint();
    const [bad, good] = ['00000000-0000-7000-8000-00000000000b', '00000000-0000-7000-8000-00000000000a'];
    world.answer = ({ body }) => answering(body.includes(bad) ? 400 : 204);
    await world.happen({ data: { id: bad } });
    await world.here.deliverer.runOnce();
    expect((await world.service.find(OPERATOR, endpoint.id)).failingSince).not.toBeNull();
    // Seven attempts, 17 hours.
    for (let attempt = 2; attempt <= 7; attempt++) {
      await world.clock.advance((await world.here.deliveries.nextDueInMs())!);
      await world.here.deliverer.runOnce();
    }
    await world.happen({ data: { id: good } });
    await world.runDry();
    expect((await world.deliveriesOf(endpoint)).map(({ state }) => state)).toEqual(['failed', 'delivered']);
    expect(await world.service.find(OPERATOR, endpoint.id)).toMatchObject({ enabled: true });
  });

  test('410 disables at once; what waits and what happens then is held, and sent when somebody asks', async () => {
    const { endpoint } = await world.addEndpoint();
    world.answer = () => answering(500);
    await world.happen();
    await world.here.deliverer.runOnce();
    world.answer = () => answering(410);
    await world.happen();
    await world.here.deliverer.runOnce();
    expect(await world.service.find(OPERATOR, endpoint.id)).toMatchObject({
      enabled: false,
      disabledReason: 'gone',
      version: 2,
    });
    expect(world.disabled).toEqual([`${endpoint.id} gone`]);
    await world.happen();
    const before = world.seen.length;
    await world.clock.advance(HOUR);
    await world.runDry();
    expect(world.seen).toHaveLength(before);
    expect((await world.deliveriesOf(endpoint)).map(({ state }) => state)).toEqual([
      'held',
      'failed',
      'held',
    ]);

    await expect(world.service.replaySince(OPERATOR, endpoint.id, new Date(0))).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(world.service.test(OPERATOR, endpoint.id)).rejects.toMatchObject({ code: 'conflict' });
    const enabled = await world.service.change(OPERATOR, endpoint.id, { enabled: true });
    expect(enabled).toMatchObject({ enabled: true, disabledReason: null, failingSince: null });
    world.answer = () => answering(200);
    await world.runDry();
    expect(world.seen).toHaveLength(before);
    const since = new Date(world.clock.nowMs() - 2 * HOUR);
    expect(await world.service.replaySince(OPERATOR, endpoint.id, since)).toEqual({
      replayed: 3,
      hasMore: false,
    });
    await world.runDry();
    expect((await world.deliveriesOf(endpoint)).map(({ state }) => state)).toEqual(
      Array(3).fill('delivered'),
    );
  });

  test('what waits is held and sent again in portions, however much it is', async () => {
    const { endpoint } = await world.addEndpoint();
    const { kysely } = world.database;
    const count = REPLAYED_AT_ONCE + 1;
    const at = new Date(world.clock.nowMs());
    await sql`
      with events as (
        insert into webhook_events (id, type, payload, created_at)
        select gen_random_uuid(), 'video.ready', '{}', ${at} from generate_series(1, ${count}::integer) returning id
      )
      insert into webhook_deliveries (id, endpoint_id, event_id, state, due_at, created_at)
      select gen_random_uuid(), ${endpoint.id}::uuid, id, 'pending', ${at}, ${at} from events
    `.execute(kysely);
    await world.service.change(OPERATOR, endpoint.id, { enabled: false });
    expect(await world.here.deliveries.pending(count)).toBe(0);
    await world.service.change(OPERATOR, endpoint.id, { enabled: true });
    const replay = () => world.service.replaySince(OPERATOR, endpoint.id, new Date(0));
    expect(await replay()).toEqual({ replayed: REPLAYED_AT_ONCE, hasMore: true });
    expect(await replay()).toEqual({ replayed: 1, hasMore: false });
    expect(REPLAYED_AT_ONCE).toBeGreaterThan(ROWS_AT_ONCE);
    await world.service.delete(OPERATOR, endpoint.id);
    expect(await world.deliveriesOf(endpoint)).toEqual([]);
  });

  test('only events from then on are sent again, and a delivery that has arrived when it is asked for by name', async () => {
    const { endpoint } = await world.addEndpoint();
    await world.happen();
    await world.runDry();
    const [delivery] = await world.deliveriesOf(endpoint);
    const later = new Date(world.clock.nowMs() + 1);
    expect(await world.service.replaySince(OPERATOR, endpoint.id, later)).toEqual({
      replayed: 0,
      hasMore: false,
    });
    const again = await world.service.replay(OPERATOR, endpoint.id, delivery!.id);
    expect(again).toMatchObject({ state: 'pending', attempts: 1 });
    await world.runDry();
    expect(world.seen).toHaveLength(2);
    expect(world.seen[1]!.headers['webhook-id']).toBe(world.seen[0]!.headers['webhook-id']);
    const nobody = '00000000-0000-7000-8000-000000000000';
    await expect(world.service.replay(OPERATOR, endpoint.id, nobody)).rejects.toMatchObject({
      code: 'delivery_not_found',
    });
  });

  test('an endpoint that asks for a pause gets it, for everything, up to an hour', async () => {
    const { endpoint } = await world.addEndpoint();
    await world.addEndpoint({ url: 'https://other.example/' });
    const isFirst = ({ url }: Seen) => url.includes('hooks');
    world.answer = (seen) => (isFirst(seen) ? answering(429, { retryAfterMs: 120 * S }) : answering(200));
    await world.happen();
    await world.here.deliverer.runOnce();
    const startMs = world.clock.nowMs();
    await world.happen();
    world.answer = () => answering(200);
    await world.runDry();
    expect(world.seen.filter(isFirst).map(({ atMs }) => atMs - startMs)).toEqual([0, 120 * S, 120 * S]);
    expect(world.seen.filter((seen) => !isFirst(seen)).map(({ atMs }) => atMs - startMs)).toEqual([0, 0]);

    world.answer = (seen) => (isFirst(seen) ? answering(503, { retryAfterMs: 72 * HOUR }) : answering(200));
    await world.happen();
    await world.here.deliverer.runOnce();
    expect(await world.here.deliveries.nextDueInMs()).toBe(HOUR);
    expect((await world.deliveriesOf(endpoint)).at(-1)!.dueAt.getTime()).toBe(world.clock.nowMs() + HOUR);
  });

  test('while a secret is replaced both sign, and then the new one alone', async () => {
    const { endpoint, secret } = await world.addEndpoint();
    const [, next] = await world.service.rotateSecret(OPERATOR, endpoint.id, 86_400);
    const second = formatSecret(next);
    await world.happen();
    await world.here.deliverer.runOnce();
    const [both] = world.seen;
    expect(both!.headers['webhook-signature']!.split(' ')).toHaveLength(2);
    for (const known of [secret, second])
      expect(verify(known, both!)).toMatchObject({ type: 'video.uploaded' });

    await world.clock.advance(86_400 * S);
    await world.happen();
    await world.here.deliverer.runOnce();
    expect(verify(second, world.seen[1]!)).toMatchObject({ type: 'video.uploaded' });
    expect(() => verify(secret, world.seen[1]!)).toThrow();

    // One that has leaked goes at once, and however often it is done, signatures stay few.
    for (let count = 0; count < 8; count++) await world.service.rotateSecret(OPERATOR, endpoint.id, 86_400);
    await world.happen();
    await world.here.deliverer.runOnce();
    expect(world.seen[2]!.headers['webhook-signature']!.split(' ')).toHaveLength(5);
    const [, last] = await world.service.rotateSecret(OPERATOR, endpoint.id, 0);
    await world.happen();
    await world.here.deliverer.runOnce();
    expect(world.seen[3]!.headers['webhook-signature']!.split(' ')).toHaveLength(1);
    expect(verify(formatSecret(last), world.seen[3]!)).toMatchObject({ type: 'video.uploaded' });
  });

  test('a signature holds for the id, the time and the body alone', async () => {
    const { secret } = await world.addEndpoint();
    await world.happen();
    await world.here.deliverer.runOnce();
    const [seen] = world.seen as [Seen];
    const change = (headers: Record<string, string>) => ({
      ...seen,
      headers: { ...seen.headers, ...headers },
    });
    const second = String(Number(seen.headers['webhook-timestamp']) + 1);
    for (const forged of [
      { ...seen, body: seen.body.replace('uploaded', 'deleted_') },
      change({ 'webhook-id': 'another' }),
      change({ 'webhook-timestamp': second }),
      { ...seen, atMs: seen.atMs + 600 * S },
    ]) {
      expect(() => verify(secret, forged)).toThrow();
    }
  });

  test('what a coordinator had under way when it died is sent by another one, with the same id', async () => {
    const { endpoint } = await world.addEndpoint();
    const [there, late] = [world.addCoordinator(), world.addCoordinator()];
    await world.happen();
    const [claimed] = await late.deliveries.claim(10);
    await there.deliverer.runOnce();
    expect(world.seen).toEqual([]);
    await world.clock.advance((await there.deliveries.nextDueInMs())!);
    await there.deliverer.runOnce();
    expect(world.seen).toHaveLength(1);
    expect(world.seen[0]!.headers['webhook-id']).toBe(claimed!.eventId);
    expect(await world.deliveriesOf(endpoint)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
    // It was not dead after all, and has nothing to say any more.
    const result = { statusCode: 500, error: 'late', response: null, durationMs: 1 };
    await late.deliveries.finish(claimed!, result, { state: 'pending', retryInMs: 1, pauseMs: 0 });
    expect(await world.deliveriesOf(endpoint)).toMatchObject([
      { state: 'delivered', last: { statusCode: 200 } },
    ]);
  });

  test('two coordinators send everything once, and together no more at a time than an endpoint may get', async () => {
    const { endpoint } = await world.addEndpoint();
    for (let count = 0; count < 30; count++) await world.happen();
    const there = world.addCoordinator();
    const [first, second] = await Promise.all([world.here.deliveries.claim(10), there.deliveries.claim(10)]);
    expect(first.length + second.length).toBe(4);
    expect(await there.deliveries.claim(10)).toEqual([]);
    const done = { statusCode: 200, error: null, response: null, durationMs: 1 };
    for (const claimed of first) await world.here.deliveries.finish(claimed, done, { state: 'delivered' });
    for (const claimed of second) await there.deliveries.finish(claimed, done, { state: 'delivered' });
    const drain = async ({ deliverer }: Coordinator) => {
      while ((await deliverer.runOnce()) > 0);
    };
    await Promise.all([drain(world.here), drain(there)]);
    expect(world.seen).toHaveLength(26);
    expect(new Set(world.seen.map(({ headers }) => headers['webhook-id'])).size).toBe(26);
    const all = await world.deliveriesOf(endpoint);
    expect(all.every(({ state, attempts }) => state === 'delivered' && attempts === 1)).toBe(true);
  });

  test('an endpoint that does not answer holds nobody up, and where nothing arrives one attempt is made at a time', async () => {
    const { endpoint } = await world.addEndpoint({ url: 'https://slow.example/' });
    await world.addEndpoint();
    world.answer = ({ url }) => (url.includes('slow') ? null : answering(200));
    for (let count = 0; count < 12; count++) await world.happen();
    const coordinator = world.addCoordinator();
    coordinator.deliverer.start();
    const isFast = ({ url }: Seen) => !url.includes('slow');
    await expect.poll(() => world.seen.filter(isFast).length).toBe(12);
    await expect.poll(() => world.seen.filter((seen) => !isFast(seen)).length).toBe(4);

    // A stop gives back what is under way: another one takes it at once, and it does not count as tried.
    const stopped = coordinator.deliverer[Symbol.asyncDispose]();
    await world.clock.advance(5 * S);
    await stopped;
    world.answer = () => answering(500);
    await world.here.deliverer.runOnce();
    expect(await world.here.deliveries.claim(100)).toHaveLength(1);
    expect((await world.deliveriesOf(endpoint)).filter(({ last }) => last !== null)).toHaveLength(4);
  });

  test('whoever waits for nothing is woken by a notification', async () => {
    await world.addEndpoint();
    const coordinator = world.addCoordinator();
    const stop = await world.database.notifications.subscribe('webhooks', () =>
      coordinator.deliverer.notify(),
    );
    coordinator.deliverer.start();
    await world.happen();
    await expect.poll(() => world.seen.length).toBe(1);
    await coordinator.deliverer[Symbol.asyncDispose]();
    stop();
  });

  test('a secret that cannot be read is no reason to send something unsigned', async () => {
    const { endpoint } = await world.addEndpoint();
    const other = world.addCoordinator({ secrets: world.secretBox('another-secret-of-a-cluster') });
    await world.happen();
    await other.deliverer.runOnce();
    expect(world.seen).toEqual([]);
    expect(await world.deliveriesOf(endpoint)).toMatchObject([
      {
        state: 'pending',
        last: { statusCode: null, error: 'No secret of the endpoint can be read; rotate it.' },
      },
    ]);
  });

  test('a test is sent once, to that endpoint, and says nothing about it', async () => {
    const { endpoint, secret } = await world.addEndpoint({ eventTypes: ['video.deleted'] });
    await world.addEndpoint();
    world.answer = () => answering(500);
    const test = await world.service.test(OPERATOR, endpoint.id);
    expect(test).toMatchObject({ eventType: 'webhook.test', state: 'pending', attempts: 0, last: null });
    await world.runDry();
    expect(world.seen).toHaveLength(1);
    expect(verify(secret, world.seen[0]!)).toMatchObject({
      type: 'webhook.test',
      data: { webhookId: endpoint.id },
    });
    expect(await world.deliveriesOf(endpoint)).toMatchObject([{ state: 'failed', attempts: 1 }]);
    expect((await world.service.find(OPERATOR, endpoint.id)).failingSince).toBeNull();
    for (let count = 0; count < 10; count++) await world.service.test(OPERATOR, endpoint.id);
    await expect(world.service.test(OPERATOR, endpoint.id)).rejects.toMatchObject({
      code: 'too_many_requests',
    });
  });

  test('what is old is forgotten, and so is what was on its way to an endpoint that is gone', async () => {
    const { endpoint } = await world.addEndpoint();
    const other = await world.addEndpoint({ url: 'https://other.example/' });
    await world.happen();
    await world.runDry();
    await world.clock.advance(EVENT_MEMORY_MS);
    await world.happen();
    await world.clock.advance(1);
    const off = await world.addEndpoint({ url: 'https://off.example/', enabled: false });
    await world.happen();
    // As an event leaves it that happens while the endpoint is disabled.
    await world.database.kysely
      .updateTable('webhook_deliveries')
      .set({ state: 'pending' })
      .where('state', '=', 'held')
      .execute();
    // As an event leaves it that happens while the endpoint is deleted.
    await world.database.kysely.deleteFrom('webhook_endpoints').where('id', '=', other.endpoint.id).execute();
    await world.here.deliverer.upkeepOnce();
    expect((await world.deliveriesOf(endpoint)).map(({ state }) => state)).toEqual(['pending', 'pending']);
    expect((await world.deliveriesOf(off.endpoint)).map(({ state }) => state)).toEqual(['held']);
    expect(await world.deliveriesOf(other.endpoint)).toEqual([]);
    expect(await world.database.kysely.selectFrom('webhook_events').select('id').execute()).toHaveLength(2);
    for (const { id } of [endpoint, off.endpoint]) await world.service.delete(OPERATOR, id);
    expect(await world.database.kysely.selectFrom('webhook_deliveries').select('id').execute()).toEqual([]);
    expect(await world.database.kysely.selectFrom('webhook_secrets').select('id').execute()).toEqual([]);
  });
});
