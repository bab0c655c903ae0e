import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { COORDINATOR_VARIABLES } from '../coordinator/config.ts';
import { ConfigError, readConfig } from '../lib/config/read-config.ts';
import { offerSampleCatalog } from './catalog/sample-catalog.ts';
import { Cluster } from './cluster.ts';
import type { ManagedProcess } from './managed-process.ts';

/** What `./run_app.sh` runs: a whole cluster on this machine, watched over until Ctrl-C. */

const RESTART_DELAY_MS = 2000;
/** How the coordinator shows a token that it has just made. */
const SHOWN_TOKEN = /^Admin token \(.*\): (\S+)$/;

const environmentSchema = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(1).max(65_000).default(5000),
  NODES: z.coerce.number().int().min(1).max(100).default(5),
  REPLICAS: z.coerce.number().int().min(1).max(7).default(3),
  WORKERS: z.coerce.number().int().min(0).max(100).default(1),
  CONCURRENCY: z.string().optional(),
  NODE_CAPACITY: z.string().optional(),
  DATA_DIR: z.string().default('./data'),
  CLUSTER_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  DATABASE_URL: z.string().optional(),
  ADVERTISE_HOST: z.string().optional(),
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

/** What the coordinator reads from the environment, without what this program decides for it. */
function coordinatorEnvironment(): Record<string, string> {
  return Object.fromEntries(
    COORDINATOR_VARIABLES.flatMap((name) => {
      const value = process.env[name];
      return name in environmentSchema.shape || value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What was set for workers. */
function workerEnvironment(concurrency: string | undefined): Record<string, string> {
  const { WORKER_TOKEN } = process.env;
  return {
    ...(WORKER_TOKEN !== undefined && { WORKER_TOKEN }),
    ...(concurrency !== undefined && { CONCURRENCY: concurrency }),
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One for each process; they end with the stop, when the last restart is over. */
const watches = new Set<Promise<void>>();

type Part = 'coordinator' | { readonly node: number } | { readonly worker: number };

/** Starts a process again that ended although nobody asked it to. */
function watch(cluster: Cluster, child: ManagedProcess, part: Part, stopping: AbortSignal): void {
  const watching = child.exited.then(async (how) => {
    while (!stopping.aborted) {
      say(`${child.name} (pid ${child.pid}) ${how}; starting it again in ${RESTART_DELAY_MS / 1000} s.`);
      await sleep(RESTART_DELAY_MS, undefined, { signal: stopping }).catch(() => {});
      if (stopping.aborted) return;
      try {
        const next = await startAgain(cluster, part);
        say(`${child.name} runs again (pid ${next.pid}).`);
        watch(cluster, next, part, stopping);
        return;
      } catch (error) {
        if (!stopping.aborted) say(error instanceof Error ? error.message : String(error));
      }
    }
  });
  watches.add(watching);
  void watching.finally(() => watches.delete(watching));
}

async function startAgain(cluster: Cluster, part: Part): Promise<ManagedProcess> {
  if (part === 'coordinator') {
    await cluster.startCoordinator();
    return cluster.coordinator;
  }
  if ('node' in part) {
    await cluster.restartNode(part.node);
    return cluster.nodes[part.node]!;
  }
  await cluster.restartWorker(part.worker);
  return cluster.workers[part.worker]!;
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
    while (watches.size > 0) await Promise.all(watches);
    process.exit(0);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void stop());
  // A terminal that is gone is no reason to leave the processes behind.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  let token = config.ADMIN_TOKEN;
  const starting = Cluster.start({
    dataDir,
    nodeCount: config.NODES,
    workerCount: config.WORKERS,
    replicas,
    host: config.HOST,
    port: config.PORT,
    secret: config.CLUSTER_SECRET ?? readOrCreateSecret(dataDir),
    adminToken: config.ADMIN_TOKEN,
    databaseUrl: config.DATABASE_URL,
    nodeCapacity: config.NODE_CAPACITY,
    advertiseHost: config.ADVERTISE_HOST,
    logLevel: config.LOG_LEVEL,
    coordinatorEnv: coordinatorEnvironment(),
    // Web pages that may use the API may send parts of direct uploads as well.
    nodeEnv: process.env.CORS_ORIGINS === undefined ? {} : { CORS_ORIGINS: process.env.CORS_ORIGINS },
    workerEnv: workerEnvironment(config.CONCURRENCY),
    ownProcessGroups: true,
    onPlainLine: (line) => {
      token ??= SHOWN_TOKEN.exec(line)?.[1];
      say(line);
    },
    signal: stopping.signal,
  });
  const cluster = await starting;
  watch(cluster, cluster.coordinator, 'coordinator', stopping.signal);
  for (const [index, node] of cluster.nodes.entries()) {
    watch(cluster, node, { node: index }, stopping.signal);
    say(`${node.name}: ${node.url} (pid ${node.pid})`);
  }
  for (const [index, worker] of cluster.workers.entries()) {
    watch(cluster, worker, { worker: index }, stopping.signal);
    say(`${worker.name}: pid ${worker.pid}`);
  }
  say(`Logs: ${join(dataDir, 'logs')}`);
  say(`OrbitVids is ready at http://${config.HOST === '0.0.0.0' ? '127.0.0.1' : config.HOST}:${config.PORT}`);
  const isAskedFor = process.argv.includes('--sample-catalog');
  if (isAskedFor || (process.stdin.isTTY && process.stdout.isTTY)) {
    const wish = isAskedFor ? 'load' : 'ask';
    const { url } = cluster;
    await offerSampleCatalog({ url, token, wish, say, signal: stopping.signal }).catch((error: unknown) => {
      if (!stopping.signal.aborted) say(`The sample catalog was not loaded: ${error}`);
    });
  }
}

main().catch((error) => {
  if (stopping.signal.aborted) return;
  process.stderr.write(`${error instanceof ConfigError ? error.message : String(error?.stack ?? error)}\n`);
  process.exit(1);
});
