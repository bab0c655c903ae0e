import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/**
 * Has the calling thread step back behind the other ones by so many steps of niceness, each of which is worth about a
 * quarter of its share of a processor that others want as well. Relative to what the process was started with. Returns
 * whether it did: only on Linux is that a matter of threads and not of whole processes.
 */
export function stepBack(niceness: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // <pid>/task/<id of the thread>
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (!Number.isSafeInteger(thread) || thread <= 0) return false;
    setPriority(thread, Math.min(getPriority(thread) + niceness, constants.priority.PRIORITY_LOW));
    return true;
  } catch {
    // No /proc, or a sandbox that forbids it: it works as before, only less smoothly.
    return false;
  }
}
