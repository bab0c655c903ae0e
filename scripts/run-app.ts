import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, readConfig } from '../lib/config/read-config.ts';
import { Cluster } from './cluster.ts';
import type { ManagedProcess } from './managed-process.ts';

/** What `./run_app.sh` runs: a whole cluster on this machine, watched over until Ctrl-C. */

const RESTART_DELAY_MS = 2000;

const environmentSchema = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(1).max(65_000).default(5000),
  NODES: z.coerce.number().int().min(1).max(100).default(5),
  REPLICAS: z.coerce.number().int().min(1).max(7).default(3),
  NODE_CAPACITY: z.string().optional(),
  DATA_DIR: z.string().default('./data'),
  CLUSTER_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  DATABASE_URL: z.string().optional(),
  LOG_LEVEL: z.string().default('info'),
});

/** The secret that coordinator and nodes share; made at the first start and kept in the data directory. */
function readOrCreateSecret(dataDir: string): string {
  const file = join(dataDir, 'cluster-secret');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const secret = randomBytes(32).toString('base64url');
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return secret;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Starts a process again that ended although nobody asked it to. */
function watch(
  cluster: Cluster,
  child: ManagedProcess,
  index: number | 'coordinator',
  stopping: AbortSignal,
): void {
  void child.exited.then(async (how) => {
    while (!stopping.aborted) {
      say(`${child.name} (pid ${child.pid}) ${how}; starting it again in ${RESTART_DELAY_MS / 1000} s.`);
      await new Promise((wake) => setTimeout(wake, RESTART_DELAY_MS));
      if (stopping.aborted) return;
      try {
        if (index === 'coordinator') await cluster.startCoordinator();
        else await cluster.restartNode(index);
        const next = index === 'coordinator' ? cluster.coordinator : cluster.nodes[index]!;
        say(`${child.name} runs again (pid ${next.pid}).`);
        watch(cluster, next, index, stopping);
        return;
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
    }
  });
}

const stopping = new AbortController();

async function main(): Promise<void> {
  const config = readConfig(environmentSchema, process.env);
  const dataDir = resolve(config.DATA_DIR);
  mkdirSync(dataDir, { recursive: true });
  const replicas = Math.min(config.REPLICAS, config.NODES);
  if (replicas < config.REPLICAS)
    say(`With ${config.NODES} nodes there are ${replicas} copies, not ${config.REPLICAS}.`);

  const stop = async () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    say('Stopping ...');
    await starting.then(
      (cluster) => cluster[Symbol.asyncDispose](),
      () => {}, // A start that was given up has stopped what it started.
    );
    process.exit(0);
  };
  process.on('SIGINT', () => void stop());
  process.on('SIGTERM', () => void stop());

  const starting = Cluster.start({
    dataDir,
    nodeCount: config.NODES,
    replicas,
    host: config.HOST,
    port: config.PORT,
    secret: config.CLUSTER_SECRET ?? readOrCreateSecret(dataDir),
    adminToken: config.ADMIN_TOKEN,
    databaseUrl: config.DATABASE_URL,
    nodeCapacity: config.NODE_CAPACITY,
    logLevel: config.LOG_LEVEL,
    onPlainLine: say,
    signal: stopping.signal,
  });
  const cluster = await starting;
  watch(cluster, cluster.coordinator, 'coordinator', stopping.signal);
  for (const [index, node] of cluster.nodes.entries()) {
    watch(cluster, node, index, stopping.signal);
    say(`${node.name}: ${node.url} (pid ${node.pid})`);
  }
  say(`Logs: ${join(dataDir, 'logs')}`);
  say(`OrbitVids is ready at http://${config.HOST === '0.0.0.0' ? '127.0.0.1' : config.HOST}:${config.PORT}`);
}

main().catch((error) => {
  if (stopping.signal.aborted) return;
  process.stderr.write(`${error instanceof ConfigError ? error.message : String(error?.stack ?? error)}\n`);
  process.exit(1);
});
