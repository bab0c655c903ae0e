import { availableParallelism } from 'node:os';
import type { TaskContext } from '../../task-context.ts';
import { DECODER_THREADS_MAX } from './limits.ts';

/** Cores that a task may keep busy. */
export function coresOf({ cores }: TaskContext): number {
  return Math.max(1, Math.floor(cores ?? availableParallelism()));
}

/** Pictures that are decoded at once. One more than cores, as some always wait; with one core threads would only cost. */
export function decoderThreads(context: TaskContext): number {
  const cores = coresOf(context);
  return cores === 1 ? 1 : Math.min(cores + 1, DECODER_THREADS_MAX);
}
