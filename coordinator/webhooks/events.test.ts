import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NodeRepository, type RegisteredNode } from '../cluster/node-repository.ts';
import type { NodeHealth } from '../cluster/placement.ts';
import type { NodeState } from '../database/schema.ts';
import { ENGINES } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { SqlVideoRepository } from '../videos/sql-video-repository.ts';
import type { Video } from '../videos/video-repository.ts';
import { ENDPOINTS_FOR_ALL_MAX, ENDPOINTS_PER_OWNER_MAX, EVENT_BYTES_MAX, NODE_VIEW_MS } from './limits.ts';
import { NodeHealthEvents, nodeStateListener } from './node-events.ts';
import { type Coordinator, OPERATOR, WebhookWorld } from './test-support/webhook-world.ts';
import { videoEventListener } from './video-events.ts';

const NODE = { url: 'http://10.0.0.7:5001', zone: 'a', weight: 1, capacityBytes: 1 };

describe.each(ENGINES)('events on %s', (engine) => {
  let world: WebhookWorld;
  beforeAll(async () => {
    world = await WebhookWorld.open(engine);
  });
  afterAll(() => world[Symbol.asyncDispose]());
  beforeEach(() => world.reset());

  /** What was sent meanwhile, by type, and to whom. */
  async function told(coordinator: Coordinator = world.here) {
    while ((await coordinator.deliverer.runOnce()) > 0);
    return world.seen.splice(0).map(({ url, body }) => ({ url, ...JSON.parse(body) }));
  }
  const typesTold = async () => (await told()).map(({ type }) => type);

  test('an event that does not happen is not told, and one that does is told once to whoever wants it', async () => {
    const [owner, other] = [await world.addUser('uploader'), await world.addUser('uploader')];
    const admin = await world.addUser('admin');
    const make = (name: string, fields: object, caller = OPERATOR) =>
      world.addEndpoint({ url: `https://${name}.example/`, ...fields }, caller);
    await make('everything', {});
    await make('deleted', { eventTypes: ['video.deleted'] });
    await make('owner', {}, owner);
    await make('other', {}, other);
    await make('admin', {}, admin);
    await make('admins-own', { scope: 'own' }, admin);
    const off = await make('off', { enabled: false });

    const failing = world.database.kysely.transaction().execute(async (transaction) => {
      await world.events.record(transaction, { type: 'video.uploaded', ownerId: null, data: { id: 'x' } });
      throw new Error('it did not happen');
    });
    await expect(failing).rejects.toThrow('it did not happen');
    expect(await told()).toEqual([]);

    const namesTold = async () => (await told()).map(({ url }) => new URL(url).hostname.split('.')[0]).sort();
    await world.happen({ ownerId: owner.userId });
    expect(await namesTold()).toEqual(['admin', 'everything', 'owner']);
    expect(await world.deliveriesOf(off.endpoint)).toMatchObject([{ state: 'held' }]);
    await world.happen({ type: 'node.down' });
    expect(await namesTold()).toEqual(['admin', 'everything']);
    await world.happen({ type: 'video.deleted', ownerId: admin.userId });
    expect(await namesTold()).toEqual(['admin', 'admins-own', 'deleted', 'everything']);

    // Rights that are gone end what they were for, what is on its way included.
    await world.happen({ ownerId: owner.userId });
    const set = (id: string, change: object) =>
      world.database.kysely.updateTable('users').set(change).where('id', '=', id).execute();
    await set(admin.userId, { role: 'uploader' });
    await set(owner.userId, { disabled: true });
    expect(await namesTold()).toEqual(['everything']);
    await world.happen({ ownerId: owner.userId });
    expect(await namesTold()).toEqual(['everything']);
  });

  test('an address that only the server can reach is refused when it is made or changed, by name as well', async () => {
    const refused = { code: 'webhook_refused', message: 'The address of the URL is not a public one.' };
    const { endpoint } = await world.addEndpoint();
    for (const url of [
      'http://127.0.0.1:9/',
      'http://[::1]/',
      'http://0x7f.1/',
      'https://inner.example/hook',
    ]) {
      await expect(world.addEndpoint({ url })).rejects.toMatchObject(refused);
      await expect(world.service.change(OPERATOR, endpoint.id, { url })).rejects.toMatchObject(refused);
    }
    // One whose name is not known yet may be known when something happens.
    expect((await world.addEndpoint({ url: 'https://unknown.example/' })).endpoint.enabled).toBe(true);
  });

  test('those that hear of everything are few, as each event has to be noted for each', async () => {
    for (let count = 0; count < ENDPOINTS_FOR_ALL_MAX; count += ENDPOINTS_PER_OWNER_MAX) {
      const admin = await world.addUser('admin');
      for (let own = 0; own < ENDPOINTS_PER_OWNER_MAX; own++) await world.addEndpoint({}, admin);
    }
    await expect(world.addEndpoint()).rejects.toMatchObject({ code: 'too_many_webhooks' });
    await world.addEndpoint({}, await world.addUser('uploader'));
  });

  test('what an event says is bounded', async () => {
    await world.addEndpoint();
    await world.happen({ data: { id: 'a', text: 'x'.repeat(EVENT_BYTES_MAX) } });
    expect(await told()).toMatchObject([{ data: { id: 'a', truncated: true } }]);
  });

  test('videos that are stored and deleted are told as the API shows them, in the same transaction', async () => {
    await world.addEndpoint();
    const { kysely } = world.database;
    const objects = new SqlObjectRepository(kysely);
    const onEvent = videoEventListener(world.events, '/api/v1');
    const videos = new SqlVideoRepository(kysely, { onEvent });
    const [id, objectId, at] = [uuidv7(), uuidv7(), new Date()];
    const video: Video = {
      ...{ id, objectId, ownerId: null, visibility: 'private', title: 'T', description: '🎬'.repeat(8000) },
      ...{
        filename: null,
        contentType: 'video/mp4',
        size: 4,
        sha256: null,
        version: 1,
        createdAt: at,
        updatedAt: at,
      },
    };
    const stored = { size: 4, sha256: null, chunks: [], record: [] };
    // The object is not open: there is no video, and nothing to tell.
    await expect(videos.insert(video, stored)).rejects.toMatchObject({ code: 'upload_expired' });
    expect(await told()).toEqual([]);
    await objects.open(objectId, 60_000);
    await videos.insert(video, stored);
    const [uploaded] = await told();
    expect(uploaded).toMatchObject({
      type: 'video.uploaded',
      timestamp: new Date(world.clock.nowMs()).toISOString(),
      data: {
        id,
        title: 'T',
        visibility: 'private',
        links: { content: `/api/v1/videos/${id}/content`, hls: null, poster: null },
        reason: null,
      },
    });
    expect(uploaded.data.description.length).toBeLessThanOrEqual(1000);
    expect(uploaded.data.description.isWellFormed()).toBe(true);
    const remove = () => kysely.transaction().execute((transaction) => videos.delete(transaction, id, {}));
    expect(await remove()).toMatchObject({ id });
    expect(await remove()).toBeNull();
    expect(await told()).toMatchObject([{ type: 'video.deleted', data: { id, title: 'T' } }]);
  });

  test('nodes that come and go are told when that is decided', async () => {
    await world.addEndpoint();
    const { kysely } = world.database;
    const nodes = new NodeRepository(kysely, nodeStateListener(world.events));
    const id = uuidv7();
    const decide = (state: NodeState) =>
      kysely.transaction().execute((transaction) => nodes.setState(transaction, [id], state));
    await kysely.transaction().execute((transaction) => nodes.insert(transaction, { id, ...NODE }));
    expect(await told()).toMatchObject([
      { type: 'node.joined', data: { id, url: NODE.url, zone: 'a', reason: null } },
    ]);
    // Twice, and back from where it was on its way to.
    for (const state of ['active', 'active', 'draining', 'joined'] as const) await decide(state);
    expect(await typesTold()).toEqual([]);
    for (const state of ['drained', 'drained', 'removed', 'joined', 'lost', 'joined'] as const)
      await decide(state);
    expect(await typesTold()).toEqual([
      ...['node.drained', 'node.removed', 'node.joined', 'node.lost', 'node.joined'],
    ]);
  });

  /** A coordinator that sees a node in its own way. */
  function watcher(node: Pick<RegisteredNode, 'id' | 'url' | 'zone' | 'state'>) {
    const view = { health: 'up' as NodeHealth };
    const healthEvents = new NodeHealthEvents({
      events: world.events,
      inTransaction: (work) => world.database.kysely.transaction().execute(work),
      nodes: () => [node],
      healthOf: () => view.health,
      reasonOf: () => 'it is silent',
      coordinatorId: uuidv7(),
      clock: world.clock,
      logger: silentLogger,
      now: world.now,
    });
    const see = async (health: NodeHealth) => {
      view.health = health;
      return await healthEvents.runOnce(node.id);
    };
    return { healthEvents, see };
  }

  test('a node that goes down and comes back is told once, however many coordinators see it', async () => {
    await world.addEndpoint();
    const node = { id: uuidv7(), ...NODE, state: 'active' as const };
    const [here, there] = [watcher(node), watcher(node)];
    await Promise.all([here.see('down'), there.see('down')]);
    expect(await told()).toMatchObject([
      { type: 'node.down', data: { id: node.id, reason: 'it is silent' } },
    ]);
    // Of a suspect nothing is known.
    await here.see('suspect');
    expect(await told()).toEqual([]);
    await world.clock.advance(NODE_VIEW_MS);
    await Promise.all([here.see('up'), there.see('up')]);
    expect(await told()).toMatchObject([{ type: 'node.up', data: { id: node.id, reason: null } }]);
  });

  test('a coordinator that is late with what another one has told already is not believed before it insists', async () => {
    await world.addEndpoint();
    const node = { id: uuidv7(), ...NODE, state: 'active' as const };
    const [here, there] = [watcher(node), watcher(node)];
    expect(await here.see('down')).toBe(false);
    expect(await here.see('up')).toBe(false);
    expect(await there.see('down')).toBe(true);
    expect(await typesTold()).toEqual(['node.down', 'node.up']);
    expect(await there.see('up')).toBe(false);
    expect(await typesTold()).toEqual([]);

    // This one cannot reach the node for longer; it looks again by itself.
    await there.see('down');
    there.healthEvents.start();
    await world.clock.advance(NODE_VIEW_MS);
    await expect.poll(async () => (await typesTold()).join()).toBe('node.down');
    await there.healthEvents[Symbol.asyncDispose]();
  });
});
