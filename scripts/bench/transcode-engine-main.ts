/**
 * Does transcode tasks one after another as a worker's child process does, with the source in a file and the outputs going
 * to files: `node transcode-engine-main.ts SOURCE OUTPUT_DIRECTORY CORES`. Takes tasks from its parent, and says what came
 * of each, and the CPU time that the process has taken by then.
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../lib/worker-api/tasks.ts';
import { runTask } from '../../worker/engine/run-task.ts';
import { fileSource } from '../../worker/engine/testing/memory-context.ts';
import type { TaskContext } from '../../worker/task-context.ts';
import type { FromEngine } from './transcode-engine.ts';

const [sourcePath, directory, cores] = process.argv.slice(2) as [string, string, string];
const source = await fileSource(sourcePath);

function contextOf(task: Task): TaskContext {
  return {
    source,
    cores: Number(cores),
    signal: new AbortController().signal,
    progress: () => {},
    async openOutput(name) {
      const first = task.kind === 'encode' ? task.firstSegment : 0;
      const stream = createWriteStream(join(directory, `${name}-${String(first).padStart(6, '0')}`));
      return {
        append: (bytes) =>
          new Promise((resolve, reject) => {
            stream.write(Buffer.concat(bytes), (error) => (error ? reject(error) : resolve()));
          }),
      };
    },
  };
}

function say(message: FromEngine): void {
  process.send!(message);
}

process.on('message', async (task: Task) => {
  const result = await runTask(task, contextOf(task));
  const { user, system } = process.cpuUsage();
  say({ result, cpuSeconds: (user + system) / 1e6 });
});
process.once('disconnect', () => process.exit(0));
say('ready');
