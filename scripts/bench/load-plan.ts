/** What the load generator is told and what it answers; everything here travels between processes. */

export type LoadKind = 'put' | 'get' | 'range' | 'head' | 'delete';

/** How a system under load speaks. `{name}` in a path stands for an object's name. */
export interface LoadTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly uploadMethod: 'POST' | 'PUT';
  readonly uploadPath: string;
  /** Whether an upload is answered with JSON whose `id` is the object's name. */
  readonly answersWithId: boolean;
  readonly contentPath: string;
  readonly deletePath: string;
}

export interface LoadPhase {
  readonly kind: LoadKind;
  readonly target: LoadTarget;
  readonly connections: number;
  readonly secondsMax: number;
  readonly countMax: number;
  /** Objects to read or delete; for uploads where the target chooses no names, what names begin with. */
  readonly names: readonly string[];
  /** Length of what is uploaded; default `OBJECT_BYTES`, which it must not exceed. */
  readonly uploadBytes?: number;
}

export interface LoadResult {
  readonly requests: number;
  /** Bytes of bodies, in whichever direction they matter. */
  readonly bytes: number;
  readonly seconds: number;
  /** CPU time of the load generator itself. */
  readonly cpuSeconds: number;
  /** Names of the objects that were made. */
  readonly names: readonly string[];
}

export interface LoadCommand {
  /** `check` makes one request and compares SHA-256 of what comes back with the source. */
  readonly action: 'run' | 'check';
  readonly phase: LoadPhase;
}

export type LoadAnswer = { readonly result: LoadResult } | { readonly error: string };

export const OBJECT_BYTES = 8 * 1024 * 1024;
export const RANGE_BYTES = 1024 * 1024;
