/** Jobs and workers, as far as this page looks at them. */

export const JOB_STATES = ['queued', 'running', 'complete', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface Job {
  readonly id: string;
  readonly videoId: string;
  readonly state: JobState;
  /** 0 to 1. */
  readonly progress: number;
  readonly reason: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export interface JobTask {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly progress: number;
  readonly attempts: number;
  readonly worker: string | null;
  readonly reason: string | null;
  readonly renditions: readonly string[];
}

export interface JobDetails extends Job {
  readonly renditions: readonly {
    readonly name: string;
    readonly kind: 'video' | 'audio';
    readonly pieces: number;
    readonly piecesDone: number;
    readonly isPublished: boolean;
  }[];
  readonly tasks: readonly JobTask[];
}

export interface Worker {
  readonly id: string;
  readonly name: string;
  readonly concurrency: number;
  readonly isRunning: boolean;
  readonly startedAt: string;
  readonly seenAt: string;
  readonly tasks: readonly { readonly id: string; readonly kind: string; readonly videoId: string }[];
}
