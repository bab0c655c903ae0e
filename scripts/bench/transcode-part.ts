import type { BenchRun } from './bench-run.ts';

/** A 1080p film that the parts of the benchmark work on. */
export interface BenchFilm {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface TranscodeBench {
  readonly run: BenchRun;
  readonly film: BenchFilm;
  readonly rounds: number;
}

/** One question that the benchmark answers: measured and printed by `measure`, whose figures go to the JSON file. */
export interface TranscodePart {
  /** As it is asked for with `--parts`. */
  readonly name: string;
  measure(bench: TranscodeBench): Promise<Readonly<Record<string, unknown>>>;
}
