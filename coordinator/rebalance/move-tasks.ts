import type { PlannedCopy } from './plan.ts';

/** `looking`: it is part of a survey, which costs next to nothing. `running`: it has one of the places for such tasks. */
export type TaskState = 'waiting' | 'looking' | 'running' | 'done';

/** A range on its way to one node that gains it. */
export interface CopyTask {
  readonly range: number;
  readonly nodeId: string;
  readonly planned: PlannedCopy | undefined;
  readonly abort: AbortController;
  state: TaskState;
  /** It was looked at together with others, and needs more than a look. */
  isSurveyed: boolean;
  sourceId: string | undefined;
  chunks: number;
  bytes: number;
  failures: number;
  notBeforeMs: number;
  problem: string | null;
}

export interface DropTask {
  readonly range: number;
  readonly nodeId: string;
  readonly abort: AbortController;
  state: TaskState;
  /** It was looked at together with others, and needs more than a look. */
  isSurveyed: boolean;
  failures: number;
  notBeforeMs: number;
  problem: string | null;
}

export function newCopy(range: number, nodeId: string, planned: PlannedCopy | undefined): CopyTask {
  return {
    range,
    nodeId,
    planned,
    abort: new AbortController(),
    state: 'waiting',
    isSurveyed: false,
    sourceId: undefined,
    chunks: 0,
    bytes: 0,
    failures: 0,
    notBeforeMs: Number.NEGATIVE_INFINITY,
    problem: null,
  };
}

export function newDrop(range: number, nodeId: string): DropTask {
  return {
    range,
    nodeId,
    abort: new AbortController(),
    state: 'waiting',
    isSurveyed: false,
    failures: 0,
    notBeforeMs: Number.NEGATIVE_INFINITY,
    problem: null,
  };
}

/** Tells apart the tasks of one kind. */
export function keyOf(range: number, nodeId: string): string {
  return `${range} ${nodeId}`;
}
