import { childrenByParent, processTree, residentBytesOf } from './process-usage.ts';

/** Looks at the memory of processes, with what they started, at a fixed pace and keeps the most it saw of each. */
export class MemorySampler implements Disposable {
  readonly #firstBytes = new Map<string, number>();
  readonly #maxBytes = new Map<string, number>();
  readonly #processes: readonly { readonly name: string; readonly pid: number }[];
  readonly #timer: NodeJS.Timeout;
  samples = 0;

  constructor(processes: readonly { readonly name: string; readonly pid: number }[], intervalMs: number) {
    this.#processes = processes;
    this.sample();
    for (const [name, bytes] of this.#maxBytes) this.#firstBytes.set(name, bytes);
    this.#timer = setInterval(() => this.sample(), intervalMs);
  }

  sample(): void {
    this.samples++;
    const children = childrenByParent();
    for (const { name, pid } of this.#processes) {
      const bytes = processTree([pid], children).reduce((sum, each) => sum + residentBytesOf(each), 0);
      this.#maxBytes.set(name, Math.max(this.#maxBytes.get(name) ?? 0, bytes));
    }
  }

  /** What each process held at first, and the most it held since. */
  results(): { readonly name: string; readonly firstBytes: number; readonly maxBytes: number }[] {
    return this.#processes.map(({ name }) => ({
      name,
      firstBytes: this.#firstBytes.get(name) ?? 0,
      maxBytes: this.#maxBytes.get(name) ?? 0,
    }));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
