import { percentile } from '../bench/statistics.ts';
import type { LoadSample } from './load-messages.ts';

const EXAMPLES_MAX = 10;

/** Counts what happens between two samples. */
export class LoadTally {
  #startMs = performance.now();
  #readMs: number[] = [];
  #uploadMs: number[] = [];
  #readBytes = 0;
  #uploadedBytes = 0;
  #attemptedBytes = 0;
  #wrongBytes = 0;
  #false404s = 0;
  #reappeared = 0;
  #deletes = 0;
  #readFailures: Record<string, number> = {};
  #uploadFailures: Record<string, number> = {};
  #deleteFailures: Record<string, number> = {};
  #examples: string[] = [];

  read(ms: number, bytes: number): void {
    this.#readMs.push(ms);
    this.#readBytes += bytes;
  }

  readFailed(how: string, what: string): void {
    count(this.#readFailures, how);
    this.#example(`read: ${how}: ${what}`);
  }

  wrong(what: string): void {
    this.#wrongBytes++;
    this.#example(`wrong bytes: ${what}`);
  }

  false404(what: string): void {
    this.#false404s++;
    this.#example(`false 404: ${what}`);
  }

  reappeared(what: string): void {
    this.#reappeared++;
    this.#example(`reappeared: ${what}`);
  }

  attempted(bytes: number): void {
    this.#attemptedBytes += bytes;
  }

  uploaded(ms: number, bytes: number): void {
    this.#uploadMs.push(ms);
    this.#uploadedBytes += bytes;
  }

  uploadFailed(how: string, what: string): void {
    count(this.#uploadFailures, how);
    this.#example(`upload: ${how}: ${what}`);
  }

  deleted(): void {
    this.#deletes++;
  }

  deleteFailed(how: string, what: string): void {
    count(this.#deleteFailures, how);
    this.#example(`delete: ${how}: ${what}`);
  }

  /** What happened since the call before; counting begins anew. */
  take(): LoadSample {
    const nowMs = performance.now();
    const sample: LoadSample = {
      seconds: (nowMs - this.#startMs) / 1000,
      reads: this.#readMs.length,
      readBytes: this.#readBytes,
      readP50Ms: percentile(this.#readMs, 50),
      readP99Ms: percentile(this.#readMs, 99),
      readMaxMs: percentile(this.#readMs, 100),
      readFailures: this.#readFailures,
      wrongBytes: this.#wrongBytes,
      false404s: this.#false404s,
      reappeared: this.#reappeared,
      uploads: this.#uploadMs.length,
      uploadedBytes: this.#uploadedBytes,
      attemptedBytes: this.#attemptedBytes,
      uploadP50Ms: percentile(this.#uploadMs, 50),
      uploadP99Ms: percentile(this.#uploadMs, 99),
      uploadFailures: this.#uploadFailures,
      deletes: this.#deletes,
      deleteFailures: this.#deleteFailures,
      examples: this.#examples,
    };
    this.#startMs = nowMs;
    this.#readMs = [];
    this.#uploadMs = [];
    this.#readBytes = this.#uploadedBytes = this.#attemptedBytes = 0;
    this.#wrongBytes = this.#false404s = this.#reappeared = this.#deletes = 0;
    this.#readFailures = {};
    this.#uploadFailures = {};
    this.#deleteFailures = {};
    this.#examples = [];
    return sample;
  }

  #example(text: string): void {
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(text.slice(0, 400));
  }
}

/** How many failures a sample has of one kind, or of all. */
export function failuresOf(failures: Readonly<Record<string, number>>): number {
  return Object.values(failures).reduce((sum, number) => sum + number, 0);
}

export function describeFailures(failures: Readonly<Record<string, number>>): string {
  const parts = Object.entries(failures).map(([how, number]) => `${number} x ${how}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
