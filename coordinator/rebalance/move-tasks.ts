import type { PlannedCopy } from './plan.ts';

/** A range on its way to one node that gains it. */
export interface CopyTask {
  readonly range: number;
  readonly nodeId: string;
  readonly planned: PlannedCopy | undefined;
  readonly abort: AbortController;
  state: 'waiting' | 'running' | 'done';
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
  state: 'waiting' | 'running' | 'done';
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
    failures: 0,
    notBeforeMs: Number.NEGATIVE_INFINITY,
    problem: null,
  };
}

/** Tells apart the tasks of one kind. */
export function keyOf(range: number, nodeId: string): string {
  return `${range} ${nodeId}`;
}
