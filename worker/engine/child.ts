import { setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { FromChild, ToChild } from '../child-messages.ts';
import { CoordinatorClient, persistently, Refused } from '../coordinator-client.ts';
import { HttpOutput } from '../http-output.ts';
import { HttpSource } from '../http-source.ts';
import { PROGRESS_INTERVAL_MS, TRANSFER_RETRY_MS } from '../limits.ts';
import { type TaskContext, TaskFailure } from '../task-context.ts';
import type { runTask } from './run-task.ts';

/*
 * The process in which media are read, decoded and encoded: whatever a file does to a codec ends this process and nothing
 * else. It does one task after the other. The argument is the module that has `runTask`.
 */

/** Whoever answers requests on this machine goes first. */
const NICENESS = 5;
try {
  setPriority(NICENESS);
} catch {
  // Some systems do not let processes be nice.
}
const watch = new URL('./orphan-watch.ts', import.meta.url);
new Worker(watch, { workerData: { parentPid: process.ppid } }).unref();
const engine = (await import(process.argv[2]!)) as { readonly runTask: typeof runTask };
let sourceUrl = '';

process.on('message', (message: ToChild) => {
  sourceUrl = message.sourceUrl;
  if (message.type === 'task') void perform(message);
});
// Without its worker nobody wants what this would make.
process.on('disconnect', () => process.exit(0));
say({ type: 'ready' });

async function perform(message: ToChild & { type: 'task' }): Promise<void> {
  const { task, fence, coordinatorUrl, token, cores } = message;
  await using client = new CoordinatorClient({ url: coordinatorUrl, token });
  const lease = { taskId: task.taskId, fence };
  const { signal } = new AbortController();
  let saidAtMs = Number.NEGATIVE_INFINITY;
  const context: TaskContext = {
    source: new HttpSource({ client, sizeBytes: task.sourceBytes, url: () => sourceUrl, signal }),
    openOutput: async (name, contentType) => {
      const tries = { maxMs: TRANSFER_RETRY_MS, signal };
      await persistently(() => client.openOutput(lease, name, contentType), tries);
      return new HttpOutput({ client, lease, name, signal });
    },
    progress: (share) => {
      if (performance.now() - saidAtMs < PROGRESS_INTERVAL_MS) return;
      saidAtMs = performance.now();
      say({ type: 'progress', share: Math.min(1, Math.max(0, share)) });
    },
    cores,
    // The process is ended when its task is not wanted any more.
    signal,
  };
  try {
    say({ type: 'done', result: await engine.runTask(task, context) });
  } catch (error) {
    say({ type: 'failed', ...describe(error) });
  }
}

function describe(error: unknown): Omit<FromChild & { type: 'failed' }, 'type'> {
  const stack = error instanceof Error ? error.stack : String(error);
  if (error instanceof TaskFailure) {
    const { code, message, retryable } = error;
    return { failure: { code, reason: message.slice(0, 1000) || 'No reason was given.', retryable }, stack };
  }
  const reason =
    error instanceof Refused
      ? `What was made could not be stored: ${error.message}`
      : `Something went wrong: ${error instanceof Error ? error.message : String(error)}`;
  return { failure: { code: 'failed', reason: reason.slice(0, 1000), retryable: true }, stack };
}

function say(message: FromChild): void {
  process.send?.(message);
}
