import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { Cluster } from './cluster.ts';
import { Membership } from './membership.ts';
import { NodeRepository } from './node-repository.ts';
import { FakeNodes } from './test-support/fake-nodes.ts';

const REPLICAS = 3;

describe.each(ENGINES)('membership on %s', (engine) => {
  let database: DatabaseHandle;
  let probe: FakeNodes;
  let stack: AsyncDisposableStack;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
  });
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(async () => {
    const { kysely } = database;
    for (const table of ['coordinators', 'ring', 'layouts', 'nodes', 'cluster'] as const) {
      await kysely.deleteFrom(table).execute();
    }
    probe = new FakeNodes();
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());

  async function openCoordinator(bootstrapNodes = REPLICAS) {
    const common = { database, probe, clock: systemClock, logger: silentLogger };
    const cluster = stack.use(
      await Cluster.open({ ...common, replicas: REPLICAS, rangeCount: 64, healthIntervalMs: 60_000 }),
    );
    return { cluster, membership: new Membership({ ...common, cluster, bootstrapNodes }) };
  }

  const states = async () =>
    Object.fromEntries(
      (await new NodeRepository(database.kysely).list()).map(({ id, state }) => [id, state]),
    );

  test('a node is claimed, stored and known at once', async () => {
    const { cluster, membership } = await openCoordinator();
    const fake = probe.add({ url: 'http://10.0.0.7:7001' });
    const node = await membership.register({ url: 'http://10.0.0.7:7001/' });
    expect(node).toMatchObject({
      id: fake.id,
      url: 'http://10.0.0.7:7001',
      zone: 'default',
      weight: 1,
      state: 'joined',
      capacityBytes: 1e9,
    });
    expect(fake.clusterId).toBe(cluster.id);
    expect(cluster.nodes()).toEqual([{ id: fake.id, url: 'http://10.0.0.7:7001', zone: 'default' }]);
    expect(cluster.ready).toBe(false);
  });

  test('registering again brings up to date what is known, and keeps what is not said', async () => {
    const { membership } = await openCoordinator();
    const fake = probe.add();
    await membership.register({ url: fake.url, zone: 'rack-1', weight: 7 });
    fake.capacityBytes = 2e9;
    const node = await membership.register({ url: fake.url });
    expect(node).toMatchObject({ zone: 'rack-1', weight: 7, capacityBytes: 2e9 });
    expect(await membership.register({ url: fake.url, weight: 0 })).toMatchObject({ weight: 0 });
  });

  test('the first layout is made when enough nodes are registered, and later nodes own nothing', async () => {
    const { cluster, membership } = await openCoordinator(4);
    const fakes = Array.from({ length: 5 }, () => probe.add());
    for (const { url } of fakes.slice(0, 3)) await membership.register({ url });
    expect(cluster.ready).toBe(false);
    expect(() => cluster.writeTargetsOf(0).owners).toThrow(
      expect.objectContaining({ code: 'cluster_not_ready' }),
    );
    expect(await membership.register({ url: fakes[3]!.url })).toMatchObject({ state: 'active' });
    expect(cluster.ready).toBe(true);
    expect(cluster.layout).toMatchObject({ epoch: 1, replicas: REPLICAS, rangeCount: 64 });
    expect(await membership.register({ url: fakes[4]!.url })).toMatchObject({ state: 'joined' });
    expect(cluster.layout?.members.map(({ id }) => id).sort()).toEqual(
      fakes
        .slice(0, 4)
        .map(({ id }) => id)
        .sort(),
    );
    expect(Object.values(await states()).sort()).toEqual(['active', 'active', 'active', 'active', 'joined']);
    expect(cluster.nodes()).toHaveLength(5);
  });

  test('coordinators that register nodes at the same time agree on one first layout', async () => {
    const coordinators = [await openCoordinator(5), await openCoordinator(5), await openCoordinator(5)];
    const fakes = Array.from({ length: 5 }, () => probe.add());
    await Promise.all(
      coordinators.flatMap(({ membership }) => fakes.map(({ url }) => membership.register({ url }))),
    );
    const rows = await database.kysely.selectFrom('layouts').select('epoch').execute();
    expect(rows).toEqual([{ epoch: 1 }]);
    for (const { cluster } of coordinators) {
      await expect.poll(() => cluster.layout?.epoch).toBe(1);
      expect(cluster.layout?.table).toEqual(coordinators[0]!.cluster.layout?.table);
    }
    expect(Object.values(await states())).toEqual(Array.from({ length: 5 }, () => 'active'));
  });

  test('a coordinator hears of nodes and layouts that others committed', async () => {
    const here = await openCoordinator();
    const there = await openCoordinator();
    for (let index = 0; index < 3; index++) await here.membership.register({ url: probe.add().url });
    await expect.poll(() => there.cluster.ready).toBe(true);
    expect(there.cluster.nodes()).toEqual(here.cluster.nodes());
  });

  test('a moved node keeps its identity and state, and lookups give the new address', async () => {
    const { cluster, membership } = await openCoordinator();
    const fakes = Array.from({ length: 3 }, () => probe.add());
    for (const { url } of fakes) await membership.register({ url });
    const [moved] = fakes;
    moved!.url = 'http://elsewhere:7000';
    expect(await membership.register({ url: 'http://elsewhere:7000' })).toMatchObject({
      id: moved!.id,
      state: 'active',
    });
    const owners = cluster.writeTargetsOf(0).owners;
    expect(owners.find(({ id }) => id === moved!.id)?.url).toBe('http://elsewhere:7000');
    expect(cluster.nodes()).toHaveLength(3);
  });

  test('zone and weight of a node that owns ranges do not change because it registers again', async () => {
    const { membership } = await openCoordinator();
    const fakes = Array.from({ length: 3 }, () => probe.add());
    for (const { url } of fakes) await membership.register({ url, zone: 'one', weight: 5 });
    const again = await membership.register({ url: fakes[0]!.url, zone: 'two', weight: 9 });
    expect(again).toMatchObject({ state: 'active', zone: 'one', weight: 5 });
  });

  test('a node that owns nothing can be changed and removed; one that owns ranges cannot', async () => {
    const { cluster, membership } = await openCoordinator();
    const fakes = Array.from({ length: 4 }, () => probe.add());
    for (const { url } of fakes) await membership.register({ url });
    const [active, , , idle] = fakes;
    expect(await membership.edit(idle!.id, { weight: 4, zone: 'rack-2' })).toMatchObject({
      weight: 4,
      zone: 'rack-2',
      state: 'joined',
    });
    for (const refused of [
      () => membership.edit(active!.id, { weight: 4 }),
      () => membership.remove(active!.id),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'node_in_use' });
    }
    expect(await membership.remove(idle!.id)).toMatchObject({ state: 'removed' });
    expect(cluster.nodes().map(({ id }) => id)).not.toContain(idle!.id);
    for (const gone of [
      () => membership.remove(idle!.id),
      () => membership.find(idle!.id),
      () => membership.edit(idle!.id, {}),
    ]) {
      await expect(gone()).rejects.toMatchObject({ code: 'node_not_found' });
    }
    // Its address and its directory may be used again.
    expect(await membership.register({ url: idle!.url })).toMatchObject({ id: idle!.id, state: 'joined' });
  });

  test('a node that still answers at its old address is not moved', async () => {
    const { membership } = await openCoordinator();
    const fake = probe.add();
    await membership.register({ url: fake.url });
    probe.add({ id: fake.id, url: 'http://twin:7000' });
    await expect(membership.register({ url: 'http://twin:7000' })).rejects.toMatchObject({
      code: 'node_already_registered',
      details: { registeredUrl: fake.url },
    });
  });

  test('the address of an active node cannot be taken by another identity', async () => {
    const { membership } = await openCoordinator();
    const fakes = Array.from({ length: 3 }, () => probe.add());
    for (const { url } of fakes) await membership.register({ url });
    const claimsBefore = probe.claims;
    fakes[0]!.answers = false;
    const impostor = probe.add({ url: fakes[0]!.url });
    await expect(membership.register({ url: impostor.url })).rejects.toMatchObject({
      code: 'node_identity_mismatch',
    });
    expect(probe.claims).toBe(claimsBefore);
    expect(impostor.clusterId).toBeNull();
  });

  test('the address of a node that owns nothing passes to the one that answers there', async () => {
    const { cluster, membership } = await openCoordinator();
    const old = probe.add();
    await membership.register({ url: old.url });
    old.answers = false;
    const next = probe.add({ url: old.url });
    expect(await membership.register({ url: old.url })).toMatchObject({ id: next.id, state: 'joined' });
    expect(await states()).toEqual({ [old.id]: 'removed', [next.id]: 'joined' });
    expect(cluster.nodes().map(({ id }) => id)).toEqual([next.id]);
    // The old one comes back elsewhere.
    old.answers = true;
    old.url = 'http://elsewhere:7000';
    expect(await membership.register({ url: old.url })).toMatchObject({ id: old.id, state: 'joined' });
  });

  test('a node of another cluster is refused', async () => {
    const { membership } = await openCoordinator();
    const fake = probe.add({ clusterId: randomUUID() });
    await expect(membership.register({ url: fake.url })).rejects.toMatchObject({
      code: 'node_foreign_cluster',
    });
    expect(await states()).toEqual({});
  });

  test('an address where nobody answers is refused', async () => {
    const { membership } = await openCoordinator();
    await expect(membership.register({ url: 'http://nobody:1' })).rejects.toMatchObject({
      code: 'node_unreachable',
    });
  });

  test.each(['https://node:1', 'http://node:1/path', 'http://user@node:1', 'http://node:1?x=1', 'node:1'])(
    'the address %s is refused',
    async (url) => {
      const { membership } = await openCoordinator();
      await expect(membership.register({ url })).rejects.toMatchObject({
        code: 'invalid_request',
        details: { field: 'url' },
      });
    },
  );

  test('a static list is registered as its nodes come up', async () => {
    const { cluster, membership } = await openCoordinator();
    const fakes = Array.from({ length: 3 }, () => probe.add());
    fakes[2]!.answers = false;
    const stop = new AbortController();
    const done = membership.registerAll(
      fakes.map(({ url }) => url),
      stop.signal,
    );
    await expect.poll(() => cluster.nodes().length).toBe(2);
    fakes[2]!.answers = true;
    await done;
    expect(cluster.ready).toBe(true);
  });

  test('registering a static list ends with its signal', async () => {
    const { membership } = await openCoordinator();
    const stop = new AbortController();
    const done = membership.registerAll(['http://nobody:1'], stop.signal);
    stop.abort();
    await done;
  });

  test('a first layout that was only just missed is made at the next start', async () => {
    const early = await openCoordinator(4);
    for (let index = 0; index < 3; index++) await early.membership.register({ url: probe.add().url });
    expect(early.cluster.ready).toBe(false);
    const { cluster, membership } = await openCoordinator(3);
    await membership.registerAll([], new AbortController().signal);
    expect(cluster.ready).toBe(true);
  });

  test('nodes that cannot form a cluster stay registered', async () => {
    const { cluster, membership } = await openCoordinator();
    for (let index = 0; index < 3; index++) {
      await membership.register({ url: probe.add().url, weight: 0 });
    }
    expect(cluster.ready).toBe(false);
    expect(Object.values(await states())).toEqual(['joined', 'joined', 'joined']);
  });
});
