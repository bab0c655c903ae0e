import { chmod, mkdtemp, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';

/**
 * Where tests keep their files: in memory where there is plenty of it. Nearly everything here syncs what it writes, and
 * with a disk below, tests spend most of their time on that. What a killed process leaves behind is the same. On another
 * machine, and with `TMPDIR` set, they use the system's directory for temporary files.
 */

const MEMORY = '/dev/shm';
/** Far more than tests that run side by side ever have at a time, so that none meets a full file system. */
const FREE_BYTES_MIN = 8 * 1024 ** 3;

/** Then the pid of the run, and what makes it unique. */
const PREFIX = 'orbitvids-tests-';

/** Longer than any run takes. */
const ABANDONED_MS_MIN = 3_600_000;

let directory: string | undefined;

/** Called by vitest before the first test. */
export async function setup(): Promise<void> {
  if (process.env.TMPDIR !== undefined || (await freeBytes()) < FREE_BYTES_MIN) return;
  await removeAbandoned();
  directory = await mkdtemp(`${MEMORY}/${PREFIX}${process.pid}-`).catch(() => undefined);
  if (directory === undefined) return;
  // PostgreSQL runs as a user of its own.
  await chmod(directory, 0o1777);
  process.env.TMPDIR = directory;
}

/** Called by vitest after the last one. */
export async function teardown(): Promise<void> {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}

/** What runs that were killed have left, which takes memory until somebody removes it. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(MEMORY).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0]);
    const path = `${MEMORY}/${name}`;
    const bornMs = (await stat(path).catch(() => undefined))?.birthtimeMs ?? Date.now();
    // Pids of another container say nothing here.
    if (isRunning(pid) || Date.now() - bornMs < ABANDONED_MS_MIN) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    return Number.isSafeInteger(pid) && process.kill(pid, 0);
  } catch (error) {
    // It is somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What fits in there: neither more than the file system allows nor than the machine's memory has room for. */
async function freeBytes(): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(MEMORY);
    const kibibytes = /^MemAvailable: +(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1];
    return Math.min(bavail * bsize, Number(kibibytes ?? 0) * 1024);
  } catch {
    return 0;
  }
}
