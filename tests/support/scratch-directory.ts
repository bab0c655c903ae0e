import { chmod, mkdtemp, readFile, rm, statfs } from 'node:fs/promises';

/**
 * Where tests keep their files: in memory where there is plenty of it. Nearly everything here syncs what it writes, and
 * with a disk below, tests spend most of their time on that. What a killed process leaves behind is the same. On another
 * machine, and with `TMPDIR` set, they use the system's directory for temporary files.
 */

const MEMORY = '/dev/shm';
/** Far more than tests that run side by side ever have at a time, so that none meets a full file system. */
const FREE_BYTES_MIN = 8 * 1024 ** 3;

let directory: string | undefined;

/** Called by vitest before the first test. */
export async function setup(): Promise<void> {
  if (process.env.TMPDIR !== undefined || (await freeBytes()) < FREE_BYTES_MIN) return;
  directory = await mkdtemp(`${MEMORY}/orbitvids-tests-`).catch(() => undefined);
  if (directory === undefined) return;
  // PostgreSQL runs as a user of its own.
  await chmod(directory, 0o1777);
  process.env.TMPDIR = directory;
}

/** Called by vitest after the last one. */
export async function teardown(): Promise<void> {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
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
