import { existsSync, fsyncSync } from 'node:fs';
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PGlite, type PGliteInterface, type PGliteOptions } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { PGliteDialect, type PGliteDialectConfig } from 'kysely';
import type { Logger } from '../../lib/logging/logger.ts';
import { BIGINT_OID, parseBigint } from './value-parsers.ts';

export interface PgliteOptions {
  /** Holds the database in `database`; its parent must exist. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Brings a file to the disk; only tests pass another. */
  readonly fsync?: ((fileDescriptor: number) => void) | undefined;
}

/** What of Emscripten's module the durable file system touches; PGlite does not type it. */
interface EmscriptenModule {
  readonly NODEFS: {
    readonly stream_ops: { fsync?: (stream: { nfd: number }) => void };
    /** Turns a system error into the error number that PostgreSQL expects. */
    tryFSOperation(operation: () => void): void;
  };
}

/** Emscripten's NODEFS ignores fsync. This one passes it to the disk. */
class DurableNodeFs extends NodeFS {
  readonly #fsync: (fileDescriptor: number) => void;

  constructor(directory: string, fsync: (fileDescriptor: number) => void) {
    super(directory);
    this.#fsync = fsync;
  }

  override async init(...[pglite, options]: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pglite, options);
    const install = (module: unknown) => {
      const { NODEFS } = module as EmscriptenModule;
      NODEFS.stream_ops.fsync = ({ nfd }) => NODEFS.tryFSOperation(() => this.#fsync(nfd));
    };
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] } };
  }
}

/**
 * A PGlite that is not entered again once PostgreSQL gave up inside it, for example because a sync failed. PGlite
 * itself would go on, and the next statement would never return, with the whole process inside it.
 */
class GuardedPGlite extends PGlite {
  #end: string | undefined;

  constructor(options: PGliteOptions, logger: Logger) {
    super({
      ...options,
      onStderr: (line) => {
        if (/\] (PANIC|FATAL): /.test(line)) {
          this.#end = line;
          logger.error({ line }, 'the embedded database gave up; restart to recover it');
        } else {
          logger.debug({ line }, 'pglite');
        }
        return false;
      },
    });
  }

  override execProtocolRawSync(message: Uint8Array): Uint8Array {
    if (this.#end !== undefined) throw new Error(`PGlite gave up: ${this.#end}`);
    return super.execProtocolRawSync(message);
  }

  override async close(): Promise<void> {
    if (this.#end === undefined) await super.close();
  }
}

const SETTINGS = [
  // The default, fdatasync, does nothing under Emscripten.
  'wal_sync_method=fsync',
  // Memory of this process; the operating system caches the files as well.
  'shared_buffers=32MB',
  // What a checkpoint leaves of the write-ahead log; see PgliteMaintenance.
  'min_wal_size=32MB',
  'max_wal_size=64MB',
];

/** PGlite's own parameters without `-F`, which turns fsync off, and with these settings. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  ...SETTINGS.flatMap((setting) => ['-c', setting]),
];

/**
 * Opens the embedded database, creating it on the first start. A transaction whose commit resolved is on the
 * disk. A first start that was cut short is begun anew. The caller holds the directory's lock.
 */
export async function openPglite(options: PgliteOptions): Promise<PGlite> {
  const { dataDir, logger, fsync = fsyncSync } = options;
  const directory = path.join(dataDir, 'database');
  // 1. A mark stands while the directory is filled: with it, whatever is there is rubbish.
  const mark = path.join(dataDir, 'database.new');
  const isNew = existsSync(mark) || !existsSync(path.join(directory, 'PG_VERSION'));
  if (existsSync(mark)) await rm(directory, { recursive: true, force: true });
  if (isNew) {
    await writeFile(mark, '');
    await syncPath(dataDir);
  }
  // 2. Fill it, or recover what a crash left.
  await mkdir(directory, { recursive: true });
  const pglite = new GuardedPGlite(
    {
      fs: new DurableNodeFs(directory, fsync),
      startParams: START_PARAMETERS,
      parsers: { [BIGINT_OID]: parseBigint },
    },
    logger,
  );
  await pglite.waitReady;
  // 3. PGlite copies the first files in without syncing them.
  if (isNew) {
    await syncTree(directory);
    await rm(mark);
    await syncPath(dataDir);
  }
  return pglite;
}

async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const child = path.join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(child);
    else await syncPath(child);
  }
  await syncPath(directory);
}

async function syncPath(file: string): Promise<void> {
  await using handle = await open(file, 'r');
  await handle.sync();
}

export function createPgliteDialect(pglite: PGliteInterface): PGliteDialect {
  return new PGliteDialect({ pglite: withReportedBegin(pglite) });
}

/**
 * Kysely's driver waits for PGlite to enter a transaction and would wait for ever when it cannot, for example
 * because it is closed. Here the transaction is entered in any case, and its first statement fails.
 */
function withReportedBegin(pglite: PGliteInterface): Exclude<PGliteDialectConfig['pglite'], () => unknown> {
  return {
    get closed() {
      return pglite.closed;
    },
    get ready() {
      return pglite.ready;
    },
    waitReady: pglite.waitReady,
    close: () => pglite.close(),
    query: (...parameters) => pglite.query(...parameters),
    async transaction(callback) {
      let begun = false;
      try {
        return await pglite.transaction((transaction) => {
          begun = true;
          return callback(transaction);
        });
      } catch (error) {
        if (begun) throw error;
        const fail = () => Promise.reject(error);
        return callback({ query: fail, rollback: fail });
      }
    },
  };
}
