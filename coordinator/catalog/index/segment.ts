import type { DocsPart } from './docs-part.ts';
import type { TermsPart } from './terms-part.ts';

/** A segment as queries see it. It never changes, but for its dead. */
export interface Segment {
  readonly id: number;
  /** Movies in it, dead ones too. */
  readonly count: number;
  /** A bit for each movie that changed or went since; null for none. Valid once `docs` has resolved. */
  dead(): Uint8Array | null;
  docs(): Promise<DocsPart>;
  terms(): Promise<TermsPart>;
}

/** All segments at one moment, and the version of that moment. */
export interface Snapshot {
  readonly version: number;
  readonly segments: readonly Segment[];
}

export function isDead(dead: Uint8Array | null, doc: number): boolean {
  return dead !== null && (dead[doc >> 3]! & (1 << (doc & 7))) !== 0;
}

export function setDead(dead: Uint8Array, doc: number): void {
  dead[doc >> 3]! |= 1 << (doc & 7);
}

export function countDead(dead: Uint8Array | null): number {
  let count = 0;
  for (let byte of dead ?? []) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
}
