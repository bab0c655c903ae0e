/** What counts: neither the first moments nor a pause long ago. */
const WINDOW_MS = 8000;
const SAMPLES_MAX = 100;

/** How fast something grows, by what it was over the last seconds. */
export class RateMeter {
  #samples: { readonly ms: number; readonly bytes: number }[] = [];

  add(ms: number, bytes: number): void {
    const last = this.#samples.at(-1);
    // It began anew.
    if (last !== undefined && bytes < last.bytes) this.#samples = [];
    this.#samples.push({ ms, bytes });
    while (this.#samples.length > SAMPLES_MAX || ms - this.#samples[0]!.ms > WINDOW_MS) this.#samples.shift();
  }

  clear(): void {
    this.#samples = [];
  }

  /** Bytes a second; null while it cannot be told. */
  rate(nowMs: number): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || nowMs - first.ms < 500) return null;
    return ((last.bytes - first.bytes) / (nowMs - first.ms)) * 1000;
  }
}

/** Seconds until the rest has come; null when nobody knows. */
export function secondsLeft(restBytes: number, bytesPerSecond: number | null): number | null {
  return bytesPerSecond === null || bytesPerSecond <= 0 ? null : restBytes / bytesPerSecond;
}
