import { type Clock, repeat } from '../../../lib/clock/clock.ts';
import type { Logger } from '../../../lib/logging/logger.ts';
import type { Transaction } from '../../database/database.ts';
import type { Leases } from '../../database/leases.ts';
import {
  CHANGES_MAX,
  SEGMENT_DOCS_MAX,
  SMALL_SEGMENT_DOCS,
  SMALL_SEGMENTS_MAX,
  UPKEEP_INTERVAL_MS,
  UPKEEP_LEASE_MS,
} from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import type { CatalogIndex, IndexChange } from './catalog-index.ts';
import { DocsPart } from './docs-part.ts';
import { countDead, isDead, type Segment, setDead } from './segment.ts';
import { SegmentBuilder } from './segment-builder.ts';
import type { SegmentStore, StoredSegment } from './segment-store.ts';
import { buildInThread } from './segment-thread.ts';

export interface IndexUpkeepOptions {
  readonly store: SegmentStore;
  readonly index: CatalogIndex;
  readonly leases: Leases;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly announce: (transaction: Transaction, change: IndexChange) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LEASE = 'movie-index';
const READ_BATCH = 1000;
const DEAD_SHARE_MAX = 0.5;

/**
 * Keeps the index in shape: changes that wait in memory become a segment, small segments and those with many dead movies
 * become one. One coordinator at a time does so; whatever another one changes meanwhile is not lost.
 */
export class IndexUpkeep implements AsyncDisposable {
  readonly #options: IndexUpkeepOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: IndexUpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, logger } = this.#options;
    this.#loop = repeat(clock, UPKEEP_INTERVAL_MS, this.#stop.signal, () =>
      this.runOnce().catch((error: unknown) =>
        logger.warn({ err: error }, 'the upkeep of the index of movies failed'),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the index is closing'));
    await this.#loop;
  }

  async runOnce(): Promise<void> {
    const { index, leases } = this.#options;
    const toMerge = () => chooseSegments(index.snapshot().segments);
    if (index.changes < CHANGES_MAX && toMerge().length === 0) return;
    if (!(await leases.acquire(LEASE, UPKEEP_LEASE_MS))) return;
    try {
      if (index.changes >= CHANGES_MAX) await this.flush();
      const segments = toMerge();
      if (segments.length > 0) await this.#merge(segments);
    } finally {
      await leases.release(LEASE);
    }
  }

  /** Makes a segment of all changes. */
  async flush(): Promise<void> {
    const { store, index, inTransaction, announce } = this.#options;
    // PGlite has one session: what the transaction needs of other segments has to be in memory before it begins.
    const known = new Map<number, DocsPart>();
    for (const segment of index.snapshot().segments) known.set(segment.id, await segment.docs());
    const change = await inTransaction(async (transaction): Promise<IndexChange | undefined> => {
      const version = await store.lock(transaction);
      const changes = await store.changes(transaction);
      const segments = await store.segments(transaction);
      // Another coordinator's; the next run knows it.
      if (changes.size === 0 || segments.some(({ id }) => !known.has(id))) return undefined;
      for (const segment of segments) {
        await this.#markDead(transaction, segment, known.get(segment.id)!, [...changes.keys()]);
      }
      const builder = new SegmentBuilder();
      for (const movie of changes.values()) if (movie !== null) builder.add(movie);
      if (builder.docs > 0) await store.insert(transaction, builder.finish());
      await store.clearChanges(transaction);
      await announce(transaction, { version });
      return { version };
    });
    await (change === undefined ? index.sync() : index.apply(change));
  }

  async #markDead(
    transaction: Transaction,
    segment: StoredSegment,
    docs: DocsPart,
    ids: readonly string[],
  ): Promise<void> {
    const dead =
      segment.dead === null ? new Uint8Array(Math.ceil(segment.docs / 8)) : Uint8Array.from(segment.dead);
    for (const id of ids) {
      const doc = docs.find(id);
      if (doc !== -1) setDead(dead, doc);
    }
    const count = countDead(dead);
    if (count !== segment.deadCount) await this.#options.store.setDead(transaction, segment.id, dead, count);
  }

  /** The movies of several segments in one, as they are now. */
  async #merge(chosen: readonly Segment[]): Promise<void> {
    const { store, index, inTransaction, announce, logger, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const sources = new Map<number, { docs: DocsPart; dead: Uint8Array | null }>();
    for (const segment of chosen) {
      const docs = await segment.docs();
      sources.set(segment.id, { docs, dead: segment.dead()?.slice() ?? null });
    }
    const built = await buildInThread(this.#read([...sources.values()]));
    const docs = new DocsPart(built.docsPart);
    const change = await inTransaction(async (transaction): Promise<IndexChange | undefined> => {
      const version = await store.lock(transaction);
      const current = new Map((await store.segments(transaction)).map((segment) => [segment.id, segment]));
      const dead = new Uint8Array(Math.ceil(Math.max(1, built.docs) / 8));
      for (const [id, source] of sources) {
        const stored = current.get(id);
        if (stored === undefined) return undefined;
        // What another coordinator has put into a newer segment meanwhile.
        for (let doc = 0; doc < source.docs.count; doc++) {
          if (!isDead(stored.dead, doc) || isDead(source.dead, doc)) continue;
          const found = docs.find(source.docs.idOf(doc));
          if (found !== -1) setDead(dead, found);
        }
      }
      await store.remove(transaction, [...sources.keys()]);
      const deadCount = countDead(dead);
      if (built.docs > 0) {
        await store.insert(transaction, built, { dead: deadCount > 0 ? dead : null, deadCount });
      }
      await announce(transaction, { version });
      return { version };
    });
    await (change === undefined ? index.sync() : index.apply(change));
    const tookMs = Math.round(clock.monotonicMs() - startedMs);
    logger.debug({ segments: sources.size, movies: built.docs, tookMs }, 'segments of movies were merged');
  }

  async *#read(
    sources: readonly { docs: DocsPart; dead: Uint8Array | null }[],
  ): AsyncGenerator<readonly IndexedMovie[]> {
    const { store, leases } = this.#options;
    for (const { docs, dead } of sources) {
      for (let from = 0; from < docs.count; from += READ_BATCH) {
        this.#stop.signal.throwIfAborted();
        const ids: string[] = [];
        for (let doc = from; doc < Math.min(docs.count, from + READ_BATCH); doc++) {
          if (!isDead(dead, doc)) ids.push(docs.idOf(doc));
        }
        if (ids.length > 0) yield await store.movies(ids);
      }
      await leases.renew(LEASE, UPKEEP_LEASE_MS);
    }
  }
}

/** Many small ones, or one whose movies are mostly elsewhere; none when there is nothing to do. */
function chooseSegments(segments: readonly Segment[]): readonly Segment[] {
  const aliveIn = (segment: Segment) => segment.count - countDead(segment.dead());
  const stored = segments.filter(({ id }) => id > 0).map((segment) => ({ segment, alive: aliveIn(segment) }));
  const small = stored
    .filter(({ segment, alive }) => alive < SMALL_SEGMENT_DOCS || alive < segment.count * DEAD_SHARE_MAX)
    .sort((a, b) => a.alive - b.alive);
  const worn = small.filter(({ segment, alive }) => alive < segment.count * DEAD_SHARE_MAX);
  if (small.length < SMALL_SEGMENTS_MAX && worn.length === 0) return [];
  const chosen: Segment[] = [];
  let movies = 0;
  for (const { segment, alive } of small.length >= SMALL_SEGMENTS_MAX ? small : worn) {
    movies += alive;
    if (movies > SEGMENT_DOCS_MAX) break;
    chosen.push(segment);
  }
  return chosen;
}
