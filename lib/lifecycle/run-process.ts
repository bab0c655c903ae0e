import { ConfigError } from '../config/read-config.ts';
import type { Logger } from '../logging/logger.ts';

export interface ProcessOptions {
  /** How long the stages of a stop may take together before the process exits anyway. */
  readonly stopTimeoutMs: number;
}

const SAME_STOP_MS = 2000;

/**
 * Runs a server process: `start` opens its resources on the stack (in the order they depend on each other)
 * and resolves when it serves. SIGINT or SIGTERM disposes the stack in reverse order and exits 0; a later
 * signal or the deadline exits 1 at once. Signals within two seconds of the first belong to the same stop: a
 * terminal and a supervisor often both send one. A ConfigError prints its message alone and exits 2.
 */
export async function runProcess(
  options: ProcessOptions,
  start: (stack: AsyncDisposableStack, signal: AbortSignal) => Promise<Logger>,
): Promise<void> {
  const stack = new AsyncDisposableStack();
  const stopping = new AbortController();
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    let firstSignalAtMs: number | undefined;
    const onSignal = (name: NodeJS.Signals) => {
      if (firstSignalAtMs !== undefined) {
        if (performance.now() - firstSignalAtMs > SAME_STOP_MS) process.exit(1);
        return;
      }
      firstSignalAtMs = performance.now();
      stopping.abort(new Error(`stopped by ${name}`));
      resolve(name);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });

  let logger: Logger | undefined;
  try {
    logger = await start(stack, stopping.signal);
    const name = await signalled;
    logger.info({ signal: name }, 'stopping');
  } catch (error) {
    if (stopping.signal.aborted) {
      // A stop during start-up is no failure.
    } else if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    } else {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exitCode = 1;
    }
  }

  const deadline = setTimeout(() => {
    logger?.error({ stopTimeoutMs: options.stopTimeoutMs }, 'stop took too long; exiting');
    process.exit(1);
  }, options.stopTimeoutMs);
  try {
    await stack.disposeAsync();
    logger?.info('stopped');
  } catch (error) {
    logger?.error({ err: error }, 'stop failed');
    process.exitCode = 1;
  }
  clearTimeout(deadline);
  process.exit();
}
