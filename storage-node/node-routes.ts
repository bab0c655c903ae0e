import { Hono } from 'hono';
import { claimSchema, type NodeStats } from '../lib/node-api/schema.ts';
import type { NodeEnv } from './access.ts';
import type { NodeIdentity } from './identity.ts';
import { parseJson } from './parse-request.ts';
import type { VideoRepository } from './repository/video-repository.ts';
import type { Scrubber } from './scrub/scrubber.ts';

export interface NodeRoutesOptions {
  readonly identity: NodeIdentity;
  readonly repository: VideoRepository;
  readonly scrubber: Pick<Scrubber, 'status'>;
  readonly startedAt: string;
}

/** What a node says about itself, and whose it is. */
export function createNodeRoutes(options: NodeRoutesOptions): Hono<NodeEnv> {
  const { identity, repository, scrubber, startedAt } = options;
  const scrub = () => {
    const { state, lastFinishedAt, foundCorrupt } = scrubber.status;
    return { state, lastFinishedAt, foundCorrupt };
  };
  const stats = (): Required<NodeStats> => {
    const { lastQuarantinedAt, ...counts } = repository.stats();
    return {
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      dataId: identity.dataId,
      startedAt,
      ...counts,
      lastQuarantinedAt: lastQuarantinedAt === null ? null : new Date(lastQuarantinedAt).toISOString(),
      indexReads: repository.indexReads,
      scrub: scrub(),
    };
  };
  const routes = new Hono<NodeEnv>();
  routes.get('/stats', (context) => context.json(stats()));
  routes.post('/identity', async (context) => {
    const { clusterId } = await parseJson(context, claimSchema);
    await identity.claim(clusterId);
    return context.json(stats());
  });
  return routes;
}
