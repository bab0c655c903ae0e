/**
 * Makes a lost database again from the storage nodes alone; `--help` says how. Exits with 0 when the database was
 * written (or a dry run has reported), 2 when it cannot be done like this, 3 when the operator has to decide something.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { HttpNodeClient } from '../coordinator/chunks/http-node-client.ts';
import { HttpNodeInventory } from '../coordinator/cluster/node-inventory.ts';
import { HttpNodeProbe } from '../coordinator/cluster/node-probe.ts';
import { NodeRequests } from '../coordinator/cluster/node-requests.ts';
import { openDatabase } from '../coordinator/database/database.ts';
import { READ_STALL_MS } from '../coordinator/recovery/limits.ts';
import {
  type NamedNode,
  Recovery,
  type RecoveryProgress,
  RecoveryRefused,
} from '../coordinator/recovery/recovery.ts';
import type { RecoveryReport } from '../coordinator/recovery/report.ts';
import { ByteClient } from '../lib/byte-client/byte-client.ts';
import { systemClock as clock } from '../lib/clock/clock.ts';
import { isAppError } from '../lib/errors/app-error.ts';
import { createLogger } from '../lib/logging/logger.ts';
import { deriveKey } from '../lib/signing/signed-url.ts';
import { ManagedProcess } from './managed-process.ts';
import {
  nodeNumbers,
  type RecoverySettings,
  readRecoverySettings,
  USAGE,
  UsageError,
} from './recovery-options.ts';
import { formatReport } from './recovery-report.ts';

const STORAGE_NODE = fileURLToPath(new URL('../storage-node/main.ts', import.meta.url));
const CONNECT_TIMEOUT_MS = 5000;
const PROGRESS_INTERVAL_MS = 1000;
/** A coordinator that was stopped a moment ago may still be closing the database; one that runs is found out soon. */
const DATABASE_WAIT_MS = 5000;

const PHASES: Record<RecoveryProgress['phase'], string> = {
  listing: 'listing the storage nodes: chunk copies',
  records: 'reading records: objects',
  checking: 'checking chunks: chunks',
};

/** A line a second at most, and one at the beginning of each phase. */
function createProgress(): (progress: RecoveryProgress) => void {
  let shownMs = Number.NEGATIVE_INFINITY;
  let phase: RecoveryProgress['phase'] | undefined;
  return (progress) => {
    const nowMs = clock.monotonicMs();
    const isEnd = progress.share === 1;
    if (progress.phase === phase && !isEnd && nowMs - shownMs < PROGRESS_INTERVAL_MS) return;
    shownMs = nowMs;
    phase = progress.phase;
    const share = progress.share === null ? '' : ` (${Math.floor(progress.share * 100)}%)`;
    process.stderr.write(`${PHASES[phase]} ${progress.count.toLocaleString('en-US')}${share}\n`);
  };
}

/** The nodes of run_app.sh at the ports where it will start them again. */
async function startNodes(
  stack: AsyncDisposableStack,
  { dataDir, secret }: RecoverySettings,
  signal: AbortSignal,
): Promise<NamedNode[]> {
  const {
    HOST = '127.0.0.1',
    ADVERTISE_HOST,
    PORT = '5000',
    NODE_CAPACITY,
    LOG_LEVEL = 'info',
  } = process.env;
  const numbers = nodeNumbers(dataDir);
  if (numbers.length === 0) throw new UsageError(`There is no storage node in ${dataDir}.`);
  mkdirSync(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
  const nodes: NamedNode[] = [];
  for (const number of numbers) {
    const port = String(Number(PORT) + number);
    const node = await ManagedProcess.start({
      name: `node-${number}`,
      script: STORAGE_NODE,
      args: ['--dir', join(dataDir, `node-${number}`), '--port', port, '--host', HOST],
      env: { CLUSTER_SECRET: secret, LOG_LEVEL, ...(NODE_CAPACITY && { CAPACITY: NODE_CAPACITY }) },
      logFile: join(dataDir, 'logs', `node-${number}.log`),
      ownProcessGroup: true,
      signal,
    });
    stack.use(node);
    nodes.push({ url: ADVERTISE_HOST ? `http://${ADVERTISE_HOST}:${port}` : node.url });
  }
  return nodes;
}

async function recover(settings: RecoverySettings, signal: AbortSignal): Promise<RecoveryReport> {
  await using stack = new AsyncDisposableStack();
  const { databaseDir, databaseUrl, secret, dryRun, doubtful, damaged } = settings;
  const logger = createLogger({ name: 'recovery', level: 'error' });
  const database = stack.use(
    await openDatabase({ dataDir: databaseDir, databaseUrl, logger, startWaitMs: DATABASE_WAIT_MS }),
  );
  const nodes = settings.startNodes ? await startNodes(stack, settings, signal) : settings.nodes;
  const signingKey = deriveKey(secret, 'storage-node');
  const dispatcher = stack.adopt(new Agent({ connectTimeout: CONNECT_TIMEOUT_MS }), (agent) =>
    agent.destroy(),
  );
  const bytes = stack.use(
    new ByteClient({
      clock,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      idleTimeoutMs: READ_STALL_MS,
      maxIdlePerHost: 8,
      stageBytes: 256 * 1024,
    }),
  );
  const requests = new NodeRequests({ dispatcher, signingKey, clock });
  return await new Recovery({
    database: database.kysely,
    probe: new HttpNodeProbe(requests),
    inventory: new HttpNodeInventory(requests),
    client: new HttpNodeClient({ clock, bytes, requests: bytes, signingKey }),
    nodes,
    dryRun,
    doubtful,
    damaged,
    onProgress: createProgress(),
    signal,
  }).run();
}

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new Error('stopped; nothing was written')));
  }
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const settings = readRecoverySettings(args, process.env);
  const report = await recover(settings, stop.signal);
  const { json, dryRun } = settings;
  process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatReport(report, dryRun)}\n`);
  return report.written || dryRun ? 0 : 3;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected = error instanceof UsageError || error instanceof RecoveryRefused || isAppError(error);
  process.stderr.write(`${isExpected ? error.message : String((error as Error)?.stack ?? error)}\n`);
  process.exitCode = error instanceof UsageError || error instanceof RecoveryRefused ? 2 : 1;
}
