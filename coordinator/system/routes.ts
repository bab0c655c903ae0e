import { Hono } from 'hono';
import type { Placement } from '../cluster/placement.ts';
import type { Metrics } from './metrics.ts';

export interface SystemDependencies {
  readonly placement: Placement;
  readonly metrics: Metrics;
  /** Rejects when the database does not answer. */
  readonly checkDatabase: () => Promise<void>;
  readonly stopping: AbortSignal;
}

/** `/healthz` (this process lives), `/readyz` (it can serve) and `/metrics`; none needs a token. */
export function createSystemRoutes(dependencies: SystemDependencies): Hono {
  const { placement, metrics, checkDatabase, stopping } = dependencies;
  const app = new Hono();

  app.get('/healthz', (context) => context.json({ status: 'ok' }));

  app.get('/readyz', async (context) => {
    const counts = { up: 0, suspect: 0, down: 0 };
    for (const node of placement.nodes()) counts[placement.healthOf(node.id)] += 1;
    const database = await checkDatabase().then(
      () => 'ok',
      () => 'unavailable',
    );
    const ready =
      placement.ready && database === 'ok' && counts.up >= placement.writeQuorum && !stopping.aborted;
    return context.json({ ready, layout: placement.ready, database, nodes: counts }, ready ? 200 : 503);
  });

  app.get('/metrics', async (context) =>
    context.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );

  return app;
}
