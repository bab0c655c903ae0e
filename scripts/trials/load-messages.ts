import type { LoadTarget } from '../bench/load-plan.ts';
import type { Slice } from './source-bytes.ts';
import type { StoredVideo } from './video-ledger.ts';

/** What the load's process is told and what it answers; everything here travels between processes. */

export interface LoadSettings {
  readonly target: LoadTarget;
  /** Of `SourceBytes`; the corpus must have been made from the same. */
  readonly sourceSeed: number;
  readonly seed: number;
  readonly corpus: readonly { readonly id: string; readonly slice: Slice }[];
  readonly chunkBytes: number;
  readonly uploaders: number;
  readonly uploadSizes: readonly number[];
  readonly uploadPauseMs: number;
  /** Videos that each uploader leaves stored; it deletes its oldest beyond that. */
  readonly uploadsKept: number;
  readonly readers: number;
  readonly readBytes: number;
  readonly readPauseMs: number;
}

/** How often each thing happened since the sample before; failures by what was answered. */
export interface LoadSample {
  readonly seconds: number;
  readonly reads: number;
  readonly readBytes: number;
  readonly readP50Ms: number;
  readonly readP99Ms: number;
  readonly readMaxMs: number;
  readonly readFailures: Readonly<Record<string, number>>;
  readonly wrongBytes: number;
  /** 404 for a video that there must be. */
  readonly false404s: number;
  /** Deleted videos that could be read. */
  readonly reappeared: number;
  readonly uploads: number;
  readonly uploadedBytes: number;
  /** Bodies that were sent, whatever came of them. */
  readonly attemptedBytes: number;
  readonly uploadP50Ms: number;
  readonly uploadP99Ms: number;
  readonly uploadFailures: Readonly<Record<string, number>>;
  readonly deletes: number;
  readonly deleteFailures: Readonly<Record<string, number>>;
  readonly examples: readonly string[];
}

export interface LoadLedger {
  readonly stored: readonly StoredVideo[];
  readonly deletedIds: readonly string[];
}

export type LoadCommand =
  | { readonly action: 'start'; readonly settings: LoadSettings }
  | { readonly action: 'sample' }
  | { readonly action: 'ledger' }
  | { readonly action: 'stop' };

export type LoadAnswer =
  | { readonly sample: LoadSample }
  | { readonly ledger: LoadLedger }
  | { readonly started: true }
  | { readonly error: string };
