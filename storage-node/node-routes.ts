import { Hono } from 'hono';
import { claimSchema, type NodeStats } from '../lib/node-api/schema.ts';
import type { NodeEnv } from './access.ts';
import type { NodeIdentity } from './identity.ts';
import { parseJson } from './parse-request.ts';
import type { VideoRepository } from './repository/video-repository.ts';

export interface NodeRoutesOptions {
  readonly identity: NodeIdentity;
  readonly repository: VideoRepository;
  readonly startedAt: string;
}

/** What a node says about itself, and whose it is. */
export function createNodeRoutes(options: NodeRoutesOptions): Hono<NodeEnv> {
  const { identity, repository, startedAt } = options;
  const stats = (): Required<NodeStats> => ({
    nodeId: identity.nodeId,
    clusterId: identity.clusterId,
    dataId: identity.dataId,
    startedAt,
    ...repository.stats(),
    indexReads: repository.indexReads,
  });
  const routes = new Hono<NodeEnv>();
  routes.get('/stats', (context) => context.json(stats()));
  routes.post('/identity', async (context) => {
    const { clusterId } = await parseJson(context, claimSchema);
    await identity.claim(clusterId);
    return context.json(stats());
  });
  return routes;
}
