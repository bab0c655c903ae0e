import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ConfigError, readConfig } from '../lib/config/read-config.ts';
import { durationMs, sizeBytes, webOrigins } from '../lib/config/units.ts';
import { CHUNK_BYTES_MAX, SCRUB_INTERVAL_DEFAULT_MS, SCRUB_RATE_DEFAULT_BYTES } from './limits.ts';
import { EMPTY_REPOSITORY_BYTES, storedBytes } from './repository/capacity.ts';

const SECRET_LENGTH_MIN = 16;
const CAPACITY_BYTES_MIN = EMPTY_REPOSITORY_BYTES + storedBytes(CHUNK_BYTES_MAX);
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const baseUrl = z
  .url({ protocol: /^http$/, error: 'expected an http URL' })
  .transform((url) => url.replace(/\/+$/, ''));

const nodeConfigSchema = z.object({
  STORAGE_DIR: z.string({ error: 'required: the data directory (flag --dir)' }),
  PORT: z.coerce.number({ error: 'required: the port to listen on (flag --port)' }).int().min(0).max(65535),
  HOST: z.string().default('127.0.0.1'),
  CAPACITY: sizeBytes()
    .refine((bytes) => bytes >= CAPACITY_BYTES_MIN, `expected at least ${CAPACITY_BYTES_MIN} bytes`)
    .optional(),
  ZONE: z.string().max(64).default('default'),
  WEIGHT: z.coerce.number().int().min(0).max(1_000_000).default(1),
  JOIN: baseUrl.optional(),
  ADVERTISE_URL: baseUrl.optional(),
  /** Whose web pages may send parts of direct uploads: all, for the signed URL is the permission, and nodes know no cookies. */
  CORS_ORIGINS: webOrigins('*'),
  CLUSTER_SECRET: z
    .string({ error: `required: the secret all servers share, at least ${SECRET_LENGTH_MIN} characters` })
    .min(SECRET_LENGTH_MIN, `expected at least ${SECRET_LENGTH_MIN} characters`),
  SCRUB_RATE: sizeBytes().default(SCRUB_RATE_DEFAULT_BYTES),
  SCRUB_INTERVAL: durationMs().default(SCRUB_INTERVAL_DEFAULT_MS),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});
export type NodeConfig = Readonly<z.infer<typeof nodeConfigSchema>>;

/** Flags and the variables they stand for. The secret is no flag: flags show in process lists. */
const FLAGS = {
  dir: 'STORAGE_DIR',
  port: 'PORT',
  host: 'HOST',
  capacity: 'CAPACITY',
  zone: 'ZONE',
  weight: 'WEIGHT',
  join: 'JOIN',
  'advertise-url': 'ADVERTISE_URL',
} as const;

/** Reads flags and environment; a flag beats its variable. Throws ConfigError. */
export function readNodeConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): NodeConfig {
  const merged = { ...environment };
  try {
    const { values } = parseArgs({
      args: [...args],
      options: Object.fromEntries(Object.keys(FLAGS).map((flag) => [flag, { type: 'string' as const }])),
    });
    for (const [flag, variable] of Object.entries(FLAGS)) {
      if (typeof values[flag] === 'string') merged[variable] = values[flag];
    }
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
  return readConfig(nodeConfigSchema, merged);
}
