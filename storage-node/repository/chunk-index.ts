import type { Level } from 'level';
import { z } from 'zod';
import { GroupCommit } from './group-commit.ts';
import {
  bodyBytesOf,
  decodeEntry,
  decodeKey,
  encodeEntry,
  encodeKey,
  type IndexEntry,
  type IndexRecord,
} from './index-entry.ts';
import { LruCache } from './lru-cache.ts';

export type IndexDatabase = Level<Buffer, Buffer>;
/** The index as it was at one moment. To be closed. */
export type IndexSnapshot = ReturnType<IndexDatabase['snapshot']>;

/** An entry as it was found; without `record` its key is no chunk's. */
export interface PageEntry {
  readonly key: Buffer;
  readonly record: IndexRecord | undefined;
}

export interface IndexPage {
  readonly entries: readonly PageEntry[];
  /** Nothing follows that can be read. */
  readonly ended: boolean;
  /** Why parts of the database could not be read; entries in them are missing. */
  readonly error: unknown;
}

type Change =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

interface FoundValue {
  readonly position: number;
  readonly id: string;
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  readonly mayCache: boolean;
}

/** Entries read from the database at a time; with inline chunks that is 1.6 MB at most. */
const SCAN_BATCH = 100;
/** Sorts before every chunk's key, so that no scan meets it. Its value is JSON: what the index says about itself. */
const SELF_KEY = Buffer.of(0);
const selfSchema = z.object({ dataId: z.uuid() });
/** What a cached entry takes beside its block checksums and inline bytes, estimated. */
const CACHED_ENTRY_BYTES = 400;
/** What its block checksums take, and the hashes of blocks that `BlockVerifier` remembers as long as the entry. */
const CACHED_BLOCK_BYTES = 12;

/**
 * The index: one entry a chunk, sorted by position, then id. Changes are on the disk when their promise
 * resolves; concurrent ones share one synced write. Recently used entries are kept decoded.
 */
export class ChunkIndex {
  readonly #database: IndexDatabase;
  readonly #cache: LruCache<{ name: string; entry: IndexEntry }>;
  readonly #changes: GroupCommit<Change>;
  /** Counts deletions, so that a read that began before one does not put its finding into the cache. */
  #deletions = 0;
  #reads = 0;

  constructor(database: IndexDatabase, cacheBytes: number) {
    this.#database = database;
    this.#cache = new LruCache({
      limit: cacheBytes,
      costOf: ({ entry }) =>
        CACHED_ENTRY_BYTES + entry.blocks.length * CACHED_BLOCK_BYTES + (entry.inline?.length ?? 0),
    });
    this.#changes = new GroupCommit((changes) => database.batch(changes, { sync: true }));
  }

  /** Synced writes made so far; each carries one or more changes. */
  get commits(): number {
    return this.#changes.calls;
  }

  /** Entries looked up in the database and entries that scans passed over, so far. What the cache answers is none. */
  get reads(): number {
    return this.#reads;
  }

  /** What `writeDataId` left; undefined also when that is damaged. */
  async readDataId(): Promise<string | undefined> {
    const value: Buffer | undefined = await this.#database.get(SELF_KEY);
    if (value === undefined) return undefined;
    try {
      return selfSchema.parse(JSON.parse(value.toString())).dataId;
    } catch {
      return undefined;
    }
  }

  /** Keeps an id for the data beside the entries, durably. */
  async writeDataId(dataId: string): Promise<void> {
    await this.#changes.add({ type: 'put', key: SELF_KEY, value: Buffer.from(JSON.stringify({ dataId })) });
  }

  /** `name` is the chunk's `chunkName`. Undefined when there is no entry; `unreadable` when nobody can tell. */
  async get(name: string, position: number, id: string): Promise<IndexRecord | undefined> {
    const cached = this.#cache.get(name);
    if (cached) return { position, id, entry: cached.entry };
    const key = encodeKey(position, id);
    const deletions = this.#deletions;
    this.#reads++;
    try {
      const value: Buffer | undefined = await this.#database.get(key);
      return this.#recordOf(name, { position, id, key, value, mayCache: deletions === this.#deletions });
    } catch (error) {
      return unreadable(position, id, error);
    }
  }

  /**
   * The same, at once, for chunks of which there is most likely none: LevelDB's filters tell that, and handing the question to a
   * thread costs more. It holds everything up for a read of the disk where the chunk is there after all, and where a filter
   * is not in memory: LevelDB has no more than 64 tables open, of 1 MiB each.
   */
  getNow(name: string, position: number, id: string): IndexRecord | undefined {
    const cached = this.#cache.get(name);
    if (cached) return { position, id, entry: cached.entry };
    const key = encodeKey(position, id);
    this.#reads++;
    try {
      const value: Buffer | undefined = this.#database.getSync(key);
      return this.#recordOf(name, { position, id, key, value, mayCache: true });
    } catch (error) {
      return unreadable(position, id, error);
    }
  }

  #recordOf(name: string, found: FoundValue): IndexRecord | undefined {
    const { position, id, key, value, mayCache } = found;
    if (value === undefined) return undefined;
    const entry = decodeEntry(key, value);
    if (entry && mayCache) this.#cache.set(name, { name, entry });
    return { position, id, entry, bodyBytes: bodyBytesOf(value) };
  }

  async put(name: string, entry: IndexEntry): Promise<void> {
    const key = encodeKey(entry.position, entry.id);
    await this.#changes.add({ type: 'put', key, value: encodeEntry(key, entry) });
    this.#cache.set(name, { name, entry });
  }

  async delete(name: string, position: number, id: string): Promise<void> {
    await this.#changes.add({ type: 'del', key: encodeKey(position, id) });
    this.#deletions++;
    this.#cache.delete(name);
  }

  snapshot(): IndexSnapshot {
    return this.#database.snapshot();
  }

  /**
   * The entries with positions `first` to `last` (inclusive), in order, as of the snapshot or else the moment of the
   * call. A key that is no chunk's, because it is damaged, is passed over.
   */
  async *scan(
    first: number,
    last: number,
    options: {
      readonly after?: { readonly position: number; readonly id: string } | undefined;
      readonly snapshot?: IndexSnapshot | undefined;
    } = {},
  ): AsyncGenerator<IndexRecord[]> {
    const { after, snapshot } = options;
    const start = encodeKey(first, '');
    const behind = after && encodeKey(after.position, after.id);
    const from = behind && Buffer.compare(behind, start) >= 0 ? { gt: behind } : { gte: start };
    // The least key above every id at `last`.
    const upTo = last === 0xffff_ffff ? {} : { lt: encodeKey(last + 1, '') };
    const iterator = this.#database.iterator({ ...from, ...upTo, ...(snapshot && { snapshot }) });
    try {
      for (;;) {
        const batch = await iterator.nextv(SCAN_BATCH);
        if (batch.length === 0) return;
        this.#reads += batch.length;
        yield batch.flatMap(([key, value]) => {
          const chunk = decodeKey(key);
          return chunk ? [{ ...chunk, entry: decodeEntry(key, value) }] : [];
        });
      }
    } finally {
      await iterator.close();
    }
  }

  /**
   * The next entries behind a key (all of them without one), in the order in which they lie there. Unlike `scan` it
   * shows keys that are no chunk's, and reads around blocks of the database that cannot be read.
   */
  async readPage(after: Buffer | undefined, limit: number): Promise<IndexPage> {
    const bounds = after ? { gt: after } : { gte: encodeKey(0, '') };
    try {
      return await this.#readPage(bounds, limit, limit);
    } catch (error) {
      if (!isIndexError(error)) throw error;
      // It speaks up when it comes to the end, and keeps what it has read for that batch; one by one nothing is kept.
      return this.#readPage(bounds, limit, 1);
    }
  }

  async #readPage(
    bounds: { gt: Buffer } | { gte: Buffer },
    limit: number,
    batchSize: number,
  ): Promise<IndexPage> {
    const entries: PageEntry[] = [];
    const iterator = this.#database.iterator(bounds);
    try {
      while (entries.length < limit) {
        const batch = await iterator.nextv(Math.min(batchSize, limit - entries.length));
        if (batch.length === 0) return { entries, ended: true, error: undefined };
        this.#reads += batch.length;
        for (const [key, value] of batch) {
          const chunk = decodeKey(key);
          const record = chunk && { ...chunk, entry: decodeEntry(key, value), bodyBytes: bodyBytesOf(value) };
          entries.push({ key, record });
        }
      }
      return { entries, ended: false, error: undefined };
    } catch (error) {
      if (batchSize > 1 || !isIndexError(error)) throw error;
      return { entries, ended: true, error };
    } finally {
      await iterator.close();
    }
  }

  /** What is kept in memory of an entry is forgotten; the next `get` reads the database. */
  forget(name: string): void {
    this.#cache.delete(name);
  }

  /** Removes an entry whose key is no chunk's. */
  async deleteKey(key: Buffer): Promise<void> {
    await this.#changes.add({ type: 'del', key });
  }

  /** Waits for running operations. */
  async close(): Promise<void> {
    await this.#database.close();
  }
}

/** Rethrows whatever does not mean that nobody can tell what the entry was. */
function unreadable(position: number, id: string, error: unknown): IndexRecord {
  if (!isCorruption(error)) throw error;
  return { position, id, entry: undefined, unreadable: true };
}

/** Whether LevelDB came upon a block that it cannot read. What is written anew is found all the same. */
function isCorruption(error: unknown): boolean {
  return isIndexError(error) && (error as { code?: string }).code === 'LEVEL_CORRUPTION';
}

/** Whether LevelDB itself failed. */
export function isIndexError(error: unknown): boolean {
  const code = error instanceof Error ? (error as { code?: string }).code : undefined;
  return typeof code === 'string' && code.startsWith('LEVEL_');
}
