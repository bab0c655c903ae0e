import { spawn } from 'node:child_process';
import type { BenchRun } from './bench-run.ts';

export interface Timed {
  /** Of the command and all its children. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly output: string;
}

/** Marks the figures among what the command itself writes there. */
const MARK = 'orbitvids-times';

/**
 * Runs a command to its end; rejects when it fails. The shell counts its CPU time, children included, in the same way
 * whatever the command is. `core`: the only one it may run on.
 */
export async function runTimed(
  run: BenchRun,
  command: string,
  args: readonly string[],
  core?: number,
): Promise<Timed> {
  const pinned = core === undefined ? [command, ...args] : ['taskset', '-c', String(core), command, ...args];
  const script = `TIMEFORMAT='${MARK} %R %U %S'; time "$@"`;
  const child = spawn('bash', ['-c', script, 'bash', ...pinned], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: run.signal,
  });
  const [output, errors, status] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve)),
  ]);
  const text = errors.join('');
  const times = new RegExp(`${MARK} ([\\d.]+) ([\\d.]+) ([\\d.]+)`).exec(text);
  if (status !== 0 || times === null) throw new Error(`${command} failed: ${text}`);
  const [wallSeconds, user, system] = times.slice(1).map(Number);
  return { wallSeconds: wallSeconds!, cpuSeconds: user! + system!, output: output.join('') };
}
