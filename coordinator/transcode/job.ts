import type { Probe, SegmentPlan, TaskKind, TaskOf } from '../../lib/worker-api/tasks.ts';

/** Of jobs and of their tasks. */
export const JOB_STATES = ['queued', 'running', 'complete', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Of the video's source, when all is made of it: it stays, is going to be dropped, or was. */
export type SourceFate = 'keep' | 'drop' | 'dropped';

type Own<Kind extends TaskKind> = Omit<TaskOf<Kind>, 'taskId' | 'videoId' | 'sourceBytes' | 'probe' | 'plan'>;

/** What a task is to do, without what it has in common with the others of its job. */
export type TaskSpec =
  | Own<'inspect'>
  | Own<'copy'>
  | (Own<'encode'> & {
      /** Its place among the pieces of the renditions. */
      readonly piece: number;
    })
  | Own<'audio'>
  | Own<'pictures'>;

/** A task as the planner wants it. */
export interface PlannedTask {
  readonly spec: TaskSpec;
  /** Names of the renditions that need it. */
  readonly renditions: readonly string[];
  /** Lower ones first. */
  readonly priority: number;
  /** Its share of the job's work: about the seconds of CPU time that it takes. */
  readonly weight: number;
}

/** A rendition as the planner wants it. */
export interface PlannedRendition {
  readonly name: string;
  readonly kind: 'video' | 'audio';
  /** Objects that it is made of. */
  readonly pieces: number;
}

/** What is to be done next. */
export interface Plan {
  readonly tasks: readonly PlannedTask[];
  readonly renditions: readonly PlannedRendition[];
}

/** What is known of a video once it was inspected. */
export interface Inspected {
  readonly probe: Probe;
  readonly plan: SegmentPlan | null;
}
