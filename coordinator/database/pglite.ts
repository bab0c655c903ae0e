import { existsSync, fsyncSync } from 'node:fs';
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

export interface PgliteOptions {
  /** Holds the database in `database`; its parent must exist. */
  readonly dataDir: string;
  /** Brings a file to the disk; only tests pass another. */
  readonly fsync?: (fileDescriptor: number) => void;
  /** Is given every line of PostgreSQL's log, while PostgreSQL runs. */
  readonly onLogLine: (line: string) => void;
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

/** Stands while the directory of the database is filled. */
function markOf(dataDir: string): string {
  return path.join(dataDir, 'database.new');
}

/** Whether a first start was completed. */
export function isCreated(dataDir: string): boolean {
  return existsSync(path.join(dataDir, 'database', 'PG_VERSION')) && !existsSync(markOf(dataDir));
}

/**
 * Opens the embedded database in this process, creating it on the first start. A transaction whose commit was answered
 * is on the disk. A first start that was cut short is begun anew. The caller holds the directory's lock.
 */
export async function openPglite(options: PgliteOptions): Promise<PGlite> {
  const { dataDir, onLogLine, fsync = fsyncSync } = options;
  const directory = path.join(dataDir, 'database');
  // 1. A mark stands while the directory is filled: with it, whatever is there is rubbish.
  const mark = markOf(dataDir);
  const isNew = !isCreated(dataDir);
  if (existsSync(mark)) await rm(directory, { recursive: true, force: true });
  if (isNew) {
    await writeFile(mark, '');
    await syncPath(dataDir);
  }
  // 2. Fill it, or recover what a crash left.
  await mkdir(directory, { recursive: true });
  const pglite = new PGlite({
    fs: new DurableNodeFs(directory, fsync),
    startParams: START_PARAMETERS,
    onStderr: (line) => {
      onLogLine(line);
      return false;
    },
  });
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
