import { availableParallelism, hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ConfigError, readConfig } from '../lib/config/read-config.ts';
import { durationMs, sizeBytes } from '../lib/config/units.ts';
import { deriveWorkerToken } from '../lib/worker-api/worker-token.ts';

/** The environment of a worker. README.md explains each variable to operators. */
const environmentSchema = z
  .object({
    COORDINATOR_URL: z
      .url({ protocol: /^https?$/ })
      .transform((url) => url.replace(/\/$/, ''))
      .optional(),
    WORKER_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
    CLUSTER_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
    WORKER_NAME: z
      .string()
      .min(1)
      .max(100)
      .default(`${hostname().slice(0, 80)}-${process.pid}`),
    /** Tasks at a time: threads of one piece wait for each other, those of several pieces do not. */
    CONCURRENCY: z.coerce.number().int().min(1).max(256).default(Math.min(256, availableParallelism())),
    /** Memory of one task. */
    TASK_MEMORY: sizeBytes().default(2 * 1024 ** 3),
    /** A task that says nothing for so long is given up. */
    TASK_STALL_TIMEOUT: durationMs().default(120_000),
    /** A task that takes longer is given up. */
    TASK_TIMEOUT: durationMs().default(6 * 3_600_000),
    /** What runs when the worker is stopped may go on for so long, and is handed back then. */
    STOP_GRACE: durationMs().default(5000),
    LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  })
  .refine((config) => config.WORKER_TOKEN !== undefined || config.CLUSTER_SECRET !== undefined, {
    path: ['WORKER_TOKEN'],
    message: 'is needed, or CLUSTER_SECRET',
  });

export interface WorkerConfig {
  readonly coordinatorUrl: string;
  readonly token: string;
  readonly name: string;
  readonly concurrency: number;
  /** Bytes. */
  readonly taskMemory: number;
  readonly stallTimeoutMs: number;
  readonly taskTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly logLevel: string;
}

/** `printToken`: the token is all that is wanted. Throws ConfigError naming what is wrong. */
export function readWorkerConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): WorkerConfig & { readonly printToken: boolean } {
  const options = parseOptions(args);
  const config = readConfig(environmentSchema, {
    ...environment,
    ...(options.coordinator !== undefined && { COORDINATOR_URL: options.coordinator }),
    ...(options.name !== undefined && { WORKER_NAME: options.name }),
    ...(options.concurrency !== undefined && { CONCURRENCY: options.concurrency }),
  });
  return {
    coordinatorUrl: config.COORDINATOR_URL ?? 'http://127.0.0.1:5000',
    token: config.WORKER_TOKEN ?? deriveWorkerToken(config.CLUSTER_SECRET!),
    name: config.WORKER_NAME,
    concurrency: config.CONCURRENCY,
    taskMemory: config.TASK_MEMORY,
    stallTimeoutMs: config.TASK_STALL_TIMEOUT,
    taskTimeoutMs: config.TASK_TIMEOUT,
    stopGraceMs: config.STOP_GRACE,
    logLevel: config.LOG_LEVEL,
    printToken: options['print-token'] ?? false,
  };
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        coordinator: { type: 'string' },
        name: { type: 'string' },
        concurrency: { type: 'string' },
        'print-token': { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}
