import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What Linux knows of processes, from `/proc`. A process that has ended counts as nothing. */

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

interface Stat {
  readonly name: string;
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** CPU time used so far, user and system, all threads, summed over the processes. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (readStat(`/proc/${pid}/stat`)?.cpuSeconds ?? 0), 0);
}

/** CPU time of each thread of a process by the thread's number. */
export function threadCpuSeconds(pid: number): Map<number, { name: string; cpuSeconds: number }> {
  const threads = new Map<number, { name: string; cpuSeconds: number }>();
  for (const id of numbersIn(`/proc/${pid}/task`)) {
    const stat = readStat(`/proc/${pid}/task/${id}/stat`);
    if (stat) threads.set(id, { name: stat.name, cpuSeconds: stat.cpuSeconds });
  }
  return threads;
}

/** The given processes and everything they started that still runs. */
export function processTree(roots: readonly number[], children = childrenByParent()): number[] {
  const tree = [...roots];
  for (let index = 0; index < tree.length; index++) tree.push(...(children.get(tree[index]!) ?? []));
  return tree;
}

/** Every process of this machine, by the one that started it. */
export function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>();
  for (const pid of numbersIn('/proc')) {
    const parent = readStat(`/proc/${pid}/stat`)?.parent;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  return children;
}

/** Memory that a process holds in RAM, `VmRSS`. */
export function residentBytesOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? '');
  return match ? Number(match[1]) * 1024 : 0;
}

function readStat(path: string): Stat | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  // The name stands in parentheses and may contain anything, also parentheses.
  const nameEnd = text.lastIndexOf(')');
  const fields = text.slice(nameEnd + 2).split(' ');
  return {
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    parent: Number(fields[1]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
  };
}

function numbersIn(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
