import type { Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../task-context.ts';

/**
 * Does one task. Rejects with a `TaskFailure` that says why it cannot be done, with the signal's reason when it was
 * aborted, and with whatever kept it from reading or writing.
 */
export async function runTask(task: Task, context: TaskContext): Promise<TaskResult> {
  context.signal.throwIfAborted();
  switch (task.kind) {
    case 'inspect':
    case 'copy':
    case 'encode':
    case 'audio':
    case 'pictures':
      throw new TaskFailure('failed', `Nobody has learned yet how to ${task.kind}.`);
  }
}
