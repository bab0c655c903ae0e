import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSizeBytes } from '../../lib/config/units.ts';

/** Beside the code, so that it is on a disk and not in memory as `/tmp` is on many machines; git ignores it. */
export const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../bench-results', import.meta.url));

export interface BenchRun {
  /** A directory of this run's own; gone when it ends, however it ends. */
  readonly directory: string;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  /** Disposed in reverse order when the run ends. */
  readonly resources: AsyncDisposableStack;
}

/** How long work may take to notice that it was stopped. */
const NOTICE_MS = 20_000;

/**
 * Runs a benchmark or a verification as the whole of this process: on Ctrl-C, SIGTERM or a failure everything
 * it started is stopped and its directory removed. The exit status is 1 unless `work` resolves with true.
 */
export async function runBench(
  parentDirectory: string,
  work: (run: BenchRun) => Promise<boolean>,
): Promise<void> {
  mkdirSync(parentDirectory, { recursive: true });
  const directory = mkdtempSync(join(parentDirectory, 'run-'));
  const abort = new AbortController();
  const { signal } = abort;
  const stop = () => abort.abort(new Error('Stopped.'));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
  // Whatever goes wrong, what was started is stopped first; that the reader of the output left is no exception.
  process.stdout.on('error', stop);
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    stop();
  });
  // Work that was stopped ends by itself, so that nothing is started behind the back of the clean-up.
  const overdue = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason as Error), NOTICE_MS));
  });
  let succeeded = false;
  try {
    await using resources = new AsyncDisposableStack();
    resources.defer(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    succeeded = await Promise.race([work({ directory, signal, resources }), overdue]);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${signal.aborted ? 'Stopped.' : text}\n`);
  }
  process.exit(succeeded ? 0 : 1);
}

/** Reads a flag that is a positive number. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a positive number.`);
  return value;
}

/** Reads a flag that is a size such as 64MiB. */
export function size(name: string, text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes === undefined || bytes < 1) throw new Error(`--${name} must be a size such as 64MiB.`);
  return bytes;
}

export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}
