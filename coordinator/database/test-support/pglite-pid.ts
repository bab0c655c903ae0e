import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** The process that runs, or last ran, PGlite in a data directory. */
export async function pglitePid(dataDir: string): Promise<number> {
  const holder = await readFile(path.join(dataDir, 'database.lock', 'holder'), 'utf8');
  return Number(/PGlite as (\d+)/.exec(holder)![1]);
}

/** Also for a moment after its end, until whoever inherited it has taken note. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
