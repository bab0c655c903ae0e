import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import type { Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import type { TaskContext } from '../task-context.ts';
import { encodeAudio } from './audio/audio-task.ts';
import { copy } from './copy/copy-task.ts';
import { encode } from './encode/encode-task.ts';
import { inspect } from './inspect/inspect.ts';
import { makePictures } from './pictures/pictures-task.ts';

/**
 * Does one task. Rejects with a `TaskFailure` that says why it cannot be done, with the signal's reason when it was
 * aborted, and with whatever kept it from reading or writing.
 */
export async function runTask(task: Task, context: TaskContext): Promise<TaskResult> {
  context.signal.throwIfAborted();
  Log.setLevel(AV_LOG_QUIET);
  switch (task.kind) {
    case 'encode':
      return encode(task, context);
    case 'audio':
      return encodeAudio(task, context);
    case 'pictures':
      return makePictures(task, context);
    case 'inspect':
      return inspect(task, context);
    case 'copy':
      return copy(task, context);
  }
}
