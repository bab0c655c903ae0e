import { Hono } from 'hono';
import { positionOf, rangeBounds } from '../../lib/hashring/index.ts';
import { formatPosition } from '../../lib/node-api/targets.ts';
import type { GateEnv } from '../auth/gate.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { parseFields } from '../parse-fields.ts';
import { type Cluster, notReady } from './cluster.ts';
import { readJson } from './json-body.ts';
import type { Membership } from './membership.ts';
import type { RegisteredNode } from './node-repository.ts';
import type { StorageNode } from './placement.ts';
import { reportRing } from './ring-report.ts';
import { PHASE_NAMES, phaseOf } from './ring-state.ts';
import { locateSchema, registrationSchema, ringSchema } from './schema.ts';

export interface ClusterRoutesOptions {
  readonly membership: Pick<Membership, 'register'>;
  readonly cluster: Cluster;
  readonly objects: Pick<ObjectRepository, 'usageByRange'>;
  /** Gives the node its share of the ranges; resolves with the rebalance that does so. */
  readonly activate: (node: RegisteredNode) => Promise<unknown>;
}

/** The admin API about nodes and ring; paths are relative to the API's prefix. */
export function createClusterRoutes(options: ClusterRoutesOptions): Hono<GateEnv> {
  const { membership, cluster, objects } = options;
  const app = new Hono<GateEnv>();

  app.get('/admin/nodes', async (context) =>
    context.json({ items: await cluster.reportNodes(), nextCursor: null }),
  );

  app.post('/admin/nodes', async (context) => {
    const { activate, ...wanted } = parseFields(registrationSchema, await readJson(context));
    const node = await membership.register(wanted);
    // A node that registers by itself waits; an administrator who adds one wants it to be used.
    const byAdmin = context.get('principal').kind !== 'node';
    const isIdle = node.state !== 'active' && node.state !== 'draining';
    const rebalance = isIdle && (activate ?? byAdmin) && cluster.ready ? await options.activate(node) : null;
    const { id, url, zone, weight } = node;
    const state = rebalance === null ? node.state : 'active';
    return context.json({ id, url, zone, weight, state, clusterId: cluster.id, rebalance }, 201);
  });

  app.get('/admin/cluster', (context) => context.json(cluster.summary()));

  app.get('/admin/ring', async (context) => {
    const { arcs } = parseFields(ringSchema, context.req.query());
    const state = cluster.state;
    if (state === null) throw notReady();
    const usage = await objects.usageByRange(state.base.rangeCount);
    return context.json(reportRing(state, usage, cluster.registeredNodes(), { withArcs: arcs }));
  });

  app.get('/admin/ring/locate', (context) => {
    const { key } = parseFields(locateSchema, context.req.query());
    const position = positionOf(key);
    const { owners, fallbacks } = cluster.writeTargetsOf(position);
    const { base, step } = cluster.state!;
    const range = cluster.rangeOf(position);
    const { first, last } = rangeBounds(range, base.rangeCount);
    const describe = ({ id, url, zone }: StorageNode) => ({ id, url, zone, health: cluster.healthOf(id) });
    return context.json({
      key,
      position: formatPosition(position),
      range: { index: range, first: formatPosition(first), last: formatPosition(last) },
      epoch: base.epoch,
      step,
      phase: PHASE_NAMES[phaseOf(cluster.state!, range)],
      owners: owners.map(describe),
      fallbacks: fallbacks.map(describe),
    });
  });

  return app;
}
