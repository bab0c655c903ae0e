import type { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { OldestKeys } from '../../lib/oldest-keys/oldest-keys.ts';
import { CACHED_BYTES_MAX, CACHED_MOVIES_MAX, STALE_MS_MAX } from './limits.ts';
import type { Movie } from './movie.ts';

/** A movie as it is sent. */
export interface CachedMovie {
  readonly id: string;
  readonly etag: string;
  readonly json: string;
  readonly videoId: string | null;
  readonly loadedAtMs: number;
}

export interface MovieCacheOptions {
  readonly load: (ids: readonly string[]) => Promise<Movie[]>;
  readonly describe: (movie: Movie) => Pick<CachedMovie, 'etag' | 'json'>;
  readonly clock: Clock;
  /** Is told of what is kept: a collection copies it, and everybody waits for that. */
  readonly garbage: Pick<YoungGarbage, 'add'>;
}

interface Load {
  /** Changed since the load began: what it brings may be old. */
  readonly stale: Set<string>;
  isStale: boolean;
}

/**
 * Hot movies in memory, bounded by number and bytes. An entry is served until it is invalidated, or `STALE_MS_MAX` old;
 * what a load brings after an invalidation is answered and not kept.
 */
export class MovieCache {
  readonly #options: MovieCacheOptions;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<string, CachedMovie>();
  readonly #oldest = new OldestKeys(this.#entries);
  readonly #loads = new Set<Load>();
  #bytes = 0;
  hits = 0;
  misses = 0;

  constructor(options: MovieCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The movie if it is here; counts as a use. */
  peek(id: string): CachedMovie | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    if (this.#options.clock.monotonicMs() - entry.loadedAtMs >= STALE_MS_MAX) {
      this.#bytes -= entry.json.length;
      return undefined;
    }
    this.#entries.set(id, entry);
    this.hits += 1;
    return entry;
  }

  /** The movies that there are, in the order of the ids. */
  async getMany(ids: readonly string[]): Promise<CachedMovie[]> {
    const found = new Map<string, CachedMovie>();
    const missing: string[] = [];
    for (const id of ids) {
      const entry = this.peek(id);
      if (entry === undefined) missing.push(id);
      else found.set(id, entry);
    }
    this.misses += missing.length;
    if (missing.length > 0) for (const entry of await this.#load(missing)) found.set(entry.id, entry);
    return ids.map((id) => found.get(id)).filter((entry) => entry !== undefined);
  }

  invalidate(id: string): void {
    for (const load of this.#loads) load.stale.add(id);
    this.#drop(id);
  }

  /** Whatever plays the video. */
  invalidateVideo(videoId: string): void {
    for (const load of this.#loads) load.isStale = true;
    for (const entry of this.#entries.values()) if (entry.videoId === videoId) this.#drop(entry.id);
  }

  clear(): void {
    for (const load of this.#loads) load.isStale = true;
    this.#entries.clear();
    this.#bytes = 0;
  }

  async #load(ids: readonly string[]): Promise<CachedMovie[]> {
    const load: Load = { stale: new Set(), isStale: false };
    this.#loads.add(load);
    const loadedAtMs = this.#options.clock.monotonicMs();
    try {
      const movies = await this.#options.load(ids);
      return movies.map((movie) => {
        const entry = {
          id: movie.id,
          videoId: movie.videoId,
          loadedAtMs,
          ...this.#options.describe(movie),
        };
        if (!load.isStale && !load.stale.has(movie.id)) this.#keep(entry);
        return entry;
      });
    } finally {
      this.#loads.delete(load);
    }
  }

  #keep(entry: CachedMovie): void {
    this.#drop(entry.id);
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.json.length;
    while (this.#entries.size > CACHED_MOVIES_MAX || this.#bytes > CACHED_BYTES_MAX) {
      this.#drop(this.#oldest.next()!);
    }
    this.#options.garbage.add(entry.json.length);
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.json.length;
  }
}
