import { workerData } from 'node:worker_threads';

/*
 * A thread of its own beside a codec: when the worker that wanted the work was killed, it ends this process, also while the
 * codec hangs and nothing else here can run.
 */

const CHECK_INTERVAL_MS = 1000;

const { parentPid } = workerData as { parentPid: number };
setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
}, CHECK_INTERVAL_MS);
