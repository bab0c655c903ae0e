import { Hono } from 'hono';
import type { Cluster } from '../cluster/cluster.ts';
import { readJson } from '../cluster/json-body.ts';
import type { Membership } from '../cluster/membership.ts';
import type { RegisteredNode } from '../cluster/node-repository.ts';
import { parseFields } from '../parse-fields.ts';
import type { NodeChange, RebalanceService } from './rebalance-service.ts';
import {
  idSchema,
  limitsSchema,
  listSchema,
  nodeEditSchema,
  nodeRemovalSchema,
  planSchema,
  rebalanceSchema,
} from './schema.ts';

export interface RebalanceRoutesOptions {
  readonly rebalances: Pick<
    RebalanceService,
    'plan' | 'start' | 'get' | 'list' | 'pause' | 'resume' | 'cancel' | 'setLimits'
  >;
  readonly membership: Pick<Membership, 'find' | 'edit' | 'remove'>;
  readonly cluster: Pick<Cluster, 'healthOf'>;
}

/** The admin API that moves ranges; paths are relative to the API's prefix. */
export function createRebalanceRoutes(options: RebalanceRoutesOptions): Hono {
  const { rebalances, membership, cluster } = options;
  const app = new Hono();

  app.post('/admin/nodes/plan', async (context) => {
    const { changes } = parseFields(planSchema, await readJson(context));
    return context.json(await rebalances.plan(changes));
  });

  app.patch('/admin/nodes/:id', async (context) => {
    const { id } = parseFields(idSchema, context.req.param());
    const edit = parseFields(nodeEditSchema, await readJson(context));
    const node = await membership.find(id);
    // What owns nothing and is to own nothing has no ranges to move.
    if (edit.state === undefined && !ownsRanges(node)) {
      return context.json({ node: describe(await membership.edit(id, edit)), rebalance: null });
    }
    const reason = edit.state === 'draining' ? `drain of ${node.url}` : `change of ${node.url}`;
    const rebalance = await rebalances.start([{ nodeId: id, ...edit }], { reason });
    return context.json({ node: describe(await membership.find(id)), rebalance }, 202);
  });

  app.delete('/admin/nodes/:id', async (context) => {
    const { id } = parseFields(idSchema, context.req.param());
    const { lost } = parseFields(nodeRemovalSchema, context.req.query());
    const node = await membership.find(id);
    if (!ownsRanges(node) || !(lost || cluster.healthOf(id) === 'down')) {
      // Of a node that owns ranges and answers, this says that it has to be drained.
      return context.json({ node: describe(await membership.remove(id)), rebalance: null });
    }
    const changes: NodeChange[] = [{ nodeId: id, state: 'removed' }];
    const rebalance = await rebalances.start(changes, { reason: `removal of ${node.url}` });
    return context.json({ node: { ...describe(node), state: 'removed' }, rebalance }, 202);
  });

  app.get('/admin/rebalances', async (context) =>
    context.json(await rebalances.list(parseFields(listSchema, context.req.query()))),
  );

  app.post('/admin/rebalances', async (context) => {
    const {
      changes,
      reason = 'asked for by an administrator',
      ...limits
    } = parseFields(rebalanceSchema, await readJson(context));
    return context.json(await rebalances.start(changes, { reason, ...limits }), 202);
  });

  app.get('/admin/rebalances/:id', async (context) =>
    context.json(await rebalances.get(parseFields(idSchema, context.req.param()).id)),
  );

  app.patch('/admin/rebalances/:id', async (context) => {
    const { id } = parseFields(idSchema, context.req.param());
    return context.json(await rebalances.setLimits(id, parseFields(limitsSchema, await readJson(context))));
  });

  for (const action of ['pause', 'resume', 'cancel'] as const) {
    app.post(`/admin/rebalances/:id/${action}`, async (context) =>
      context.json(await rebalances[action](parseFields(idSchema, context.req.param()).id), 202),
    );
  }

  return app;
}

function ownsRanges({ state }: RegisteredNode): boolean {
  return state === 'active' || state === 'draining';
}

function describe({ id, url, zone, weight, state }: RegisteredNode) {
  return { id, url, zone, weight, state };
}
