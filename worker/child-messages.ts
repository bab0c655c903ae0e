import type { Failure } from '../lib/worker-api/protocol.ts';
import type { Task, TaskResult } from '../lib/worker-api/tasks.ts';

/** What a worker tells the child process that does a task. */
export type ToChild =
  | {
      readonly type: 'task';
      readonly task: Task;
      readonly fence: number;
      readonly sourceUrl: string;
      readonly coordinatorUrl: string;
      readonly token: string;
      /** That it may keep busy. */
      readonly cores: number;
    }
  /** The source is to be had at another address from now on. */
  | { readonly type: 'source'; readonly sourceUrl: string };

/** What the child says. */
export type FromChild =
  /** It can take a task. */
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly share: number }
  | { readonly type: 'done'; readonly result: TaskResult }
  | { readonly type: 'failed'; readonly failure: Failure; readonly stack: string | undefined };
