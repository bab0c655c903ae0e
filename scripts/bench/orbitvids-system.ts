import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Cluster } from '../cluster.ts';
import type { BenchRun } from './bench-run.ts';
import type { BenchSystem } from './bench-system.ts';
import { processTree } from './process-usage.ts';

export interface OrbitvidsSystem extends BenchSystem {
  readonly cluster: Cluster;
}

export interface OrbitvidsOptions {
  readonly nodeCount?: number;
  readonly replicas?: number;
  /** More environment for every process of it. */
  readonly env?: Readonly<Record<string, string>>;
}

/** This project: a coordinator and five nodes, three copies, everything synced to disk. */
export async function startOrbitvids(
  run: BenchRun,
  { nodeCount = 5, replicas = 3, env = {} }: OrbitvidsOptions = {},
): Promise<OrbitvidsSystem> {
  const adminToken = randomBytes(24).toString('base64url');
  const cluster = await Cluster.start({
    dataDir: join(run.directory, 'orbitvids'),
    nodeCount,
    replicas,
    adminToken,
    coordinatorEnv: env,
    nodeEnv: env,
    signal: run.signal,
  });
  return {
    name: 'OrbitVids',
    description: `coordinator and ${nodeCount} nodes, ${replicas} copies, fsync`,
    cluster,
    target: {
      url: cluster.url,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'video/mp4' },
      uploadMethod: 'POST',
      uploadPath: '/api/v1/videos',
      answersWithId: true,
      contentPath: '/api/v1/videos/{name}/content',
      deletePath: '/api/v1/videos/{name}',
    },
    pids: () => processTree(cluster.processes.map(({ pid }) => pid)),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
