import { readFileSync } from 'node:fs';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../lib/errors/app-error.ts';

const FILE = 'lock';
const ATTEMPTS = 5;

interface Holder {
  readonly pid: number;
  /** What tells this process from a later one with the same pid; empty where the platform does not say. */
  readonly startedAt: string;
}

/**
 * Keeps two processes from opening one data directory: a file `lock` that names the process which holds it. A
 * file whose process is gone counts for nothing, so a crash leaves no lock behind. (Where processes cannot see
 * each other, as from two containers, LevelDB's own lock on the index is the second barrier.)
 */
export class DirectoryLock implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Rejects with `directory_in_use`. The directory must exist. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = join(directory, FILE);
    const own = `${path}.${process.pid}`;
    const handle = await open(own, 'w', 0o640);
    try {
      await handle.writeFile(JSON.stringify(holderOf(process.pid)));
    } finally {
      await handle.close();
    }
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (await tryLink(own, path)) return new DirectoryLock(path);
        const holder = await readHolder(path);
        if (holder && isAlive(holder)) {
          throw new AppError(
            'directory_in_use',
            `Process ${holder.pid} has the data directory ${directory} open.`,
          );
        }
        await removeStale(path, holder);
      }
      throw new AppError('directory_in_use', `Other processes contend for the data directory ${directory}.`);
    } finally {
      await unlink(own).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unlink(this.#path).catch(() => {});
  }
}

async function tryLink(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when there is no lock, or one that nobody can have meant. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const { pid, startedAt } = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the lock away by renaming it: of several that try, each sees what it got, and puts back what is not stale. */
async function removeStale(path: string, stale: Holder | undefined): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const got = await readHolder(aside);
  if (got && (got.pid !== stale?.pid || got.startedAt !== stale.startedAt)) await tryLink(aside, path);
  await unlink(aside);
}

function isAlive(holder: Holder): boolean {
  // Our own pid in a lock that we have not made: a process before us had it.
  if (holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const { startedAt } = holderOf(holder.pid);
  return holder.startedAt === '' || startedAt === '' || startedAt === holder.startedAt;
}

function holderOf(pid: number): Holder {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the command's name, which may hold anything, the 20th field is the start time since boot.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { pid, startedAt: `${boot} ${ticks}` };
  } catch {
    return { pid, startedAt: '' };
  }
}
