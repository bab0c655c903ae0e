import { OldestKeys } from '../lib/oldest-keys/oldest-keys.ts';

export interface LoadingCacheOptions<Entry> {
  /** Loads what is cached for an id; null when there is nothing (which is not cached). */
  readonly load: (id: string) => Promise<Entry | null>;
  /** What an entry counts for in memory; its unit is the caller's choice. */
  readonly weightOf: (entry: Entry) => number;
  readonly maxEntries: number;
  /** The most recent entry stays even when it alone weighs more. */
  readonly maxWeight: number;
}

/**
 * A cache of what is loaded by id, the least recently used of which goes first. An entry is served until it is
 * invalidated, so whoever changes what it was made of must say so; a load that an invalidation overtakes is answered to those who asked
 * before, and not kept.
 */
export class LoadingCache<Entry> {
  readonly #options: LoadingCacheOptions<Entry>;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>();
  readonly #oldest = new OldestKeys(this.#entries);
  /** The last of them, if it is still here: what many ask for at once need not be put there again. */
  #newest: string | undefined;
  readonly #loads = new Map<string, Promise<Entry | null>>();
  #weight = 0;

  constructor(options: LoadingCacheOptions<Entry>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What all entries count for. */
  get weight(): number {
    return this.#weight;
  }

  /** The entry if it is here; counts as a use. */
  peek(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || id === this.#newest) return entry;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    this.#newest = id;
    return entry;
  }

  /** The entry, loaded if need be; callers who miss at the same time share one load. */
  async get(id: string): Promise<Entry | null> {
    return this.peek(id) ?? this.#loads.get(id) ?? this.#load(id);
  }

  /** Something that was not loaded but made here; a load under way is not kept. */
  put(id: string, entry: Entry): void {
    this.invalidate(id);
    this.#keep(id, entry);
  }

  /** The video changed: whoever asks from now on gets its new state. */
  invalidate(id: string): void {
    this.#loads.delete(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#drop(id, entry);
  }

  /** Any video may have changed, for example while no notifications came. */
  clear(): void {
    this.#loads.clear();
    this.#entries.clear();
    this.#weight = 0;
  }

  #load(id: string): Promise<Entry | null> {
    const load: Promise<Entry | null> = this.#options.load(id).then(
      (entry) => {
        if (this.#endLoad(id, load) && entry !== null) this.#keep(id, entry);
        return entry;
      },
      (error: unknown) => {
        this.#endLoad(id, load);
        throw error;
      },
    );
    this.#loads.set(id, load);
    return load;
  }

  /** Whether the load is still the current one for its id, that is, nothing was invalidated since it began. */
  #endLoad(id: string, load: Promise<Entry | null>): boolean {
    return this.#loads.get(id) === load && this.#loads.delete(id);
  }

  #keep(id: string, entry: Entry): void {
    this.#entries.set(id, entry);
    this.#newest = id;
    this.#weight += this.#options.weightOf(entry);
    const { maxEntries, maxWeight } = this.#options;
    while (this.#entries.size > 1 && (this.#entries.size > maxEntries || this.#weight > maxWeight)) {
      const oldest = this.#oldest.next()!;
      this.#drop(oldest, this.#entries.get(oldest)!);
    }
  }

  #drop(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#weight -= this.#options.weightOf(entry);
  }
}
