import { TaskChild } from '../task-child.ts';

/* Starts a child that hangs, says its process id, and waits to be killed. */

const limits = { memoryBytes: 2 ** 40, stallMs: 3_600_000, totalMs: 3_600_000 };
const child = new TaskChild('data:text/javascript,export function runTask(){for(;;);}', limits);
await child.ready();
const task = { kind: 'inspect' as const, taskId: '', videoId: '', sourceBytes: 1 };
const where = { sourceUrl: '/', coordinatorUrl: 'http://127.0.0.1:9', token: '', cores: 1 };
void child.run({ type: 'task', task, fence: 1, ...where }, () => {});
process.stdout.write(`${child.pid}\n`);
