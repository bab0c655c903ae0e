import { z } from 'zod';
import { ConfigError, readConfig } from '../lib/config/read-config.ts';
import { durationMs, sizeBytes, webOrigins } from '../lib/config/units.ts';
import { isAppError } from '../lib/errors/app-error.ts';
import { assertStrong } from './auth/password-rules.ts';
import { emailSchema, newPasswordSchema } from './auth/schema.ts';
import { NODE_WATCH_INTERVAL_MS, RETRY_MS } from './repair/limits.ts';

const MIB = 1024 ** 2;
/** Node's timers hold 31 bits of milliseconds, somewhat more than this; what is longer would fire at once. */
const DURATION_MS_MAX = 24 * 86_400_000;

const duration = (minMs: number) =>
  durationMs().refine((ms) => ms >= minMs && ms <= DURATION_MS_MAX, {
    message: `must be from ${minMs}ms to 24d`,
  });
const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const onOrOff = (byDefault: 'on' | 'off') =>
  z
    .enum(['on', 'off'])
    .default(byDefault)
    .transform((text) => text === 'on');

/** The environment of the coordinator. README.md explains each variable to operators. */
const environmentSchema = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(5000),
  DATA_DIR: z.string().default('./data/coordinator'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected postgresql://...')
    .optional(),
  CLUSTER_SECRET: z.string().min(16, 'must have at least 16 characters'),
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  /** What transcode workers show; follows from CLUSTER_SECRET when it is absent. */
  WORKER_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  /** Of the account that the first start makes; without a password it makes one and shows it once. */
  ADMIN_EMAIL: emailSchema.optional(),
  ADMIN_PASSWORD: newPasswordSchema.optional(),
  /** Whether anybody may make an account, which may read and no more. */
  REGISTRATION: z.enum(['open', 'closed']).default('open'),
  /** From one address: logins in 15 minutes, registrations in an hour, refreshes in a minute. */
  LOGIN_LIMIT: wholeNumber(1, 1_000_000).default(100),
  REGISTRATION_LIMIT: wholeNumber(1, 1_000_000).default(20),
  REFRESH_LIMIT: wholeNumber(1, 1_000_000).default(120),
  /** Proxies before this server whose X-Forwarded-For is to be believed. */
  TRUSTED_PROXIES: wholeNumber(0, 10).default(0),
  /** Copies of each chunk. Fixed for a cluster once its first layout exists. */
  REPLICAS: wholeNumber(1, 7).default(3),
  /** Ranges that the ring is cut into, a power of two. Fixed like REPLICAS. */
  RANGES: wholeNumber(16, 65_536)
    .refine((count) => (count & (count - 1)) === 0, { message: 'must be a power of two' })
    .default(4096),
  /** How many nodes must have registered before the first layout is made; at least REPLICAS. */
  BOOTSTRAP_NODES: wholeNumber(1, 1000).optional(),
  /** Base URLs of storage nodes to register at start, separated by commas. */
  STORAGE_NODES: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim().replace(/\/$/, '')))
    .pipe(z.array(z.url({ protocol: /^http$/ })))
    .default([]),
  /** Under which addresses clients reach storage nodes, for those where it is not the nodes' own URL. */
  NODE_PUBLIC_URLS: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .filter((part) => part.trim() !== '')
        .map((part) => part.split('=', 2).map((url) => url.trim().replace(/\/$/, '')) as [string, string]),
    )
    .pipe(z.array(z.tuple([z.url({ protocol: /^http$/ }), z.url({ protocol: /^https?$/ })])))
    .transform((pairs): ReadonlyMap<string, string> => new Map(pairs)),
  /** How clients get segments unless they say: from here, or from the storage nodes. */
  DELIVERY: z.enum(['proxy', 'redirect']).default('proxy'),
  /** Host name or address under which storage nodes reach this machine. */
  ADVERTISE_HOST: z.string().optional(),
  /** Port on which storage nodes fetch new chunks; 0 picks a free one. */
  OUTBOX_PORT: wholeNumber(0, 65_535).default(0),
  UPLOAD_BUFFERS: sizeBytes()
    .refine((bytes) => bytes >= 2 * MIB && bytes <= 2048 * MIB, { message: 'must be from 2MiB to 2GiB' })
    .default(96 * MIB),
  CHUNK_SIZE: sizeBytes()
    .refine((bytes) => bytes >= MIB && bytes <= 8 * MIB && bytes % MIB === 0, {
      message: 'must be a whole number of MiB from 1 to 8',
    })
    .default(8 * MIB),
  /** Whether videos may be fetched from URLs at addresses of private networks, and of this machine. */
  IMPORT_ALLOW_PRIVATE: onOrOff('off'),
  /** From which ports; `*` for any. */
  IMPORT_PORTS: z
    .string()
    .default('80,443')
    .refine((text) => text === '*' || /^\d{1,5}( *, *\d{1,5})*$/.test(text), {
      message: 'expected ports such as 80,443, or *',
    })
    .transform((text) => (text === '*' ? null : new Set(text.split(',').map(Number)))),
  /** Whether webhooks may be sent to addresses of private networks, and of this machine. */
  WEBHOOK_ALLOW_PRIVATE: onOrOff('off'),
  /** Whether what was uploaded stays when everything has been made of it. */
  KEEP_SOURCE: onOrOff('on'),
  MAX_VIDEO_SIZE: sizeBytes().default(1024 ** 4),
  /** What each user may store unless an administrator says otherwise; 0 for no limit. */
  QUOTA_BYTES: sizeBytes().default(0),
  QUOTA_VIDEOS: wholeNumber(0, 2_147_483_647).default(0),
  /** Memory for what finds movies. */
  CATALOG_CACHE: sizeBytes()
    .refine((bytes) => bytes >= 16 * MIB, { message: 'must be 16MiB or more' })
    .default(1024 * MIB),
  /** Whether whoever has no account may read what is public or unlisted. */
  ANONYMOUS_READ: onOrOff('on'),
  /** Which other origins may use the API from a browser; `*` for all. */
  CORS_ORIGINS: webOrigins(),
  HEALTH_INTERVAL: duration(1).default(1000),
  DOWN_AFTER: duration(1).default(10_000),
  CENSUS_INTERVAL: duration(1).default(1_800_000),
  NODE_WATCH_INTERVAL: duration(1).default(NODE_WATCH_INTERVAL_MS),
  REPAIR_RETRY_AFTER: duration(1).default(RETRY_MS),
  /** 0 switches it off. */
  REPLICATE_AFTER: durationMs()
    .refine((ms) => ms === 0 || (ms >= 1000 && ms <= DURATION_MS_MAX), {
      message: 'must be 0, or from 1s to 24d',
    })
    .default(900_000),
  SWEEP_INTERVAL: duration(1).default(300_000),
  SWEEP_MIN_AGE: duration(0).default(60_000),
  UPLOAD_LEASE: duration(1).default(120_000),
  /** A worker that is silent for so long loses its task to another one. */
  WORKER_LEASE: duration(500).default(10_000),
  UPLOAD_EXPIRY: duration(1000).default(2 * 86_400_000),
  UPLOAD_IDLE_TIMEOUT: duration(1).default(60_000),
  READ_STALL_TIMEOUT: duration(1).default(1000),
  COPY_TIMEOUT: duration(1).default(15_000),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** Every variable that the coordinator reads. */
export const COORDINATOR_VARIABLES: readonly string[] = Object.keys(environmentSchema.shape);

export type Config = Readonly<z.infer<typeof environmentSchema>> & { readonly BOOTSTRAP_NODES: number };

/** Throws ConfigError naming every variable that is wrong. */
export function readCoordinatorConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const config = readConfig(environmentSchema, environment);
  if (config.ADMIN_PASSWORD !== undefined) checkStrong(config.ADMIN_PASSWORD, config.ADMIN_EMAIL ?? '');
  return Object.freeze({
    ...config,
    BOOTSTRAP_NODES: Math.max(config.BOOTSTRAP_NODES ?? config.REPLICAS, config.REPLICAS),
  });
}

function checkStrong(password: string, email: string): void {
  try {
    assertStrong(password, email, 'ADMIN_PASSWORD');
  } catch (error) {
    throw isAppError(error) ? new ConfigError([error.message]) : error;
  }
}
