/**
 * Lets concurrent callers share one slow call. While a call runs, newcomers gather; when it has ended, one
 * further call serves them all. A caller's promise settles with the call that took its item, which began after
 * the caller came.
 */
export class GroupCommit<Item> {
  readonly #commit: (items: Item[]) => Promise<void>;
  #gathered: { item: Item; resolve: () => void; reject: (error: unknown) => void }[] = [];
  #running = false;
  /** Calls made so far. */
  calls = 0;

  constructor(commit: (items: Item[]) => Promise<void>) {
    this.#commit = commit;
  }

  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#gathered.push({ item, resolve, reject });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#gathered.length > 0) {
      const group = this.#gathered;
      this.#gathered = [];
      this.calls++;
      try {
        await this.#commit(group.map(({ item }) => item));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = false;
  }
}
