/**
 * Does transcode tasks one after another as a worker's child process does, with the source in a file and the outputs going
 * to files: `node transcode-engine-main.ts SOURCE OUTPUT_DIRECTORY TASKS.json CORES`. Prints the results, a line each.
 */
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { taskSchema } from '../../lib/worker-api/tasks.ts';
import { runTask } from '../../worker/engine/run-task.ts';
import { fileSource } from '../../worker/engine/testing/memory-context.ts';
import type { TaskContext } from '../../worker/task-context.ts';

const [sourcePath, directory, tasksPath, cores] = process.argv.slice(2) as [string, string, string, string];
const tasks = z.array(taskSchema).parse(JSON.parse(readFileSync(tasksPath, 'utf8')));
await using source = await fileSource(sourcePath);
for (const task of tasks) {
  const context: TaskContext = {
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
  process.stdout.write(`${JSON.stringify(await runTask(task, context))}\n`);
}
