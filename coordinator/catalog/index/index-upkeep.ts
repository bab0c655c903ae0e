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
import type { IndexChange, SegmentSummary } from './catalog-index.ts';
import type { CatalogSearch } from './catalog-search.ts';
import { DocIds } from './doc-ids.ts';
import { countDead, isDead, setDead } from './segment.ts';
import type { SegmentStore, StoredSegment } from './segment-store.ts';
import { buildInThread } from './segment-thread.ts';

export interface IndexUpkeepOptions {
  readonly store: SegmentStore;
  readonly index: CatalogSearch;
  readonly leases: Leases;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly announce: (transaction: Transaction, change: IndexChange) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LEASE = 'movie-index';
const READ_BATCH = 1000;
const DEAD_SHARE_MAX = 0.5;

interface Source {
  readonly ids: DocIds;
  readonly dead: Uint8Array | null;
}

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
    const toMerge = async () => chooseSegments(await index.segments());
    if (index.state.changes < CHANGES_MAX && (await toMerge()).length === 0) return;
    if (!(await leases.acquire(LEASE, UPKEEP_LEASE_MS))) return;
    try {
      if (index.state.changes >= CHANGES_MAX) await this.flush();
      const segments = await toMerge();
      if (segments.length > 0) await this.#merge(segments);
    } finally {
      await leases.release(LEASE);
    }
  }

  /** Makes a segment of all changes that the index knows of. */
  async flush(): Promise<void> {
    const { store, index, inTransaction, announce } = this.#options;
    // PGlite has one session: what of the segments takes reading has to be known before the transaction begins.
    const known = await index.changedPlaces();
    const change = await inTransaction(async (transaction): Promise<IndexChange | undefined> => {
      const version = await store.lock(transaction);
      const changes = await store.changes(transaction);
      const segments = await store.segments(transaction);
      const ids = known.ids.filter((id) => changes.has(id));
      // Another coordinator's; the next run knows it.
      if (ids.length === 0 || segments.some(({ id }) => !known.segments.has(id))) return undefined;
      for (const segment of segments)
        await this.#markDead(transaction, segment, known.segments.get(segment.id)!);
      const movies = ids.map((id) => changes.get(id)!).filter((movie) => movie !== null);
      if (movies.length > 0) await store.insert(transaction, await index.build(movies));
      await store.removeChanges(transaction, ids);
      await announce(transaction, { version });
      return { version };
    });
    await (change === undefined ? index.sync() : index.apply(change));
  }

  async #markDead(transaction: Transaction, segment: StoredSegment, docs: readonly number[]): Promise<void> {
    const dead =
      segment.dead === null ? new Uint8Array(Math.ceil(segment.docs / 8)) : Uint8Array.from(segment.dead);
    for (const doc of docs) setDead(dead, doc);
    const count = countDead(dead);
    if (count !== segment.deadCount) await this.#options.store.setDead(transaction, segment.id, dead, count);
  }

  /** The movies of several segments in one, as they are now. */
  async #merge(chosen: readonly SegmentSummary[]): Promise<void> {
    const { store, index, inTransaction, announce, logger, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const sources = new Map<number, Source>();
    for (const { id } of chosen) {
      const found = await index.idsOf(id);
      // Another coordinator was faster.
      if (found === null) return;
      sources.set(id, { ids: new DocIds(found.ids.bytes, found.ids.latestFirst), dead: found.dead });
    }
    const built = await buildInThread(this.#read([...sources.values()]));
    const ids = DocIds.of(built.docsPart);
    let mergedId: number | undefined;
    const change = await inTransaction(async (transaction): Promise<IndexChange | undefined> => {
      const version = await store.lock(transaction);
      const current = new Map((await store.segments(transaction)).map((segment) => [segment.id, segment]));
      const dead = new Uint8Array(Math.ceil(Math.max(1, built.docs) / 8));
      for (const [id, source] of sources) {
        const stored = current.get(id);
        if (stored === undefined) return undefined;
        // What another coordinator has put into a newer segment meanwhile.
        for (let doc = 0; doc < source.ids.count; doc++) {
          if (!isDead(stored.dead, doc) || isDead(source.dead, doc)) continue;
          const found = ids.find(source.ids.at(doc));
          if (found !== -1) setDead(dead, found);
        }
      }
      await store.remove(transaction, [...sources.keys()]);
      const deadCount = countDead(dead);
      if (built.docs > 0) {
        const toHide = deadCount > 0 ? dead : null;
        mergedId = await store.insert(transaction, built, { dead: toHide, deadCount });
      }
      await announce(transaction, { version });
      return { version };
    });
    if (change !== undefined && mergedId !== undefined) await index.take(mergedId, built);
    await (change === undefined ? index.sync() : index.apply(change));
    const tookMs = Math.round(clock.monotonicMs() - startedMs);
    logger.debug({ segments: sources.size, movies: built.docs, tookMs }, 'segments of movies were merged');
  }

  async *#read(sources: readonly Source[]): AsyncGenerator<readonly IndexedMovie[]> {
    const { store, leases } = this.#options;
    for (const { ids: all, dead } of sources) {
      for (let from = 0; from < all.count; from += READ_BATCH) {
        this.#stop.signal.throwIfAborted();
        const ids: string[] = [];
        for (let doc = from; doc < Math.min(all.count, from + READ_BATCH); doc++) {
          if (!isDead(dead, doc)) ids.push(all.at(doc));
        }
        if (ids.length > 0) yield await store.movies(ids);
      }
      await leases.renew(LEASE, UPKEEP_LEASE_MS);
    }
  }
}

/** Many small ones, or one whose movies are mostly elsewhere; none when there is nothing to do. */
function chooseSegments(segments: readonly SegmentSummary[]): readonly SegmentSummary[] {
  const stored = segments.map((segment) => ({ segment, alive: segment.count - segment.deadCount }));
  const small = stored
    .filter(({ segment, alive }) => alive < SMALL_SEGMENT_DOCS || alive < segment.count * DEAD_SHARE_MAX)
    .sort((a, b) => a.alive - b.alive);
  const worn = small.filter(({ segment, alive }) => alive < segment.count * DEAD_SHARE_MAX);
  if (small.length < SMALL_SEGMENTS_MAX && worn.length === 0) return [];
  const chosen: SegmentSummary[] = [];
  let movies = 0;
  for (const { segment, alive } of small.length >= SMALL_SEGMENTS_MAX ? small : worn) {
    movies += alive;
    if (movies > SEGMENT_DOCS_MAX) break;
    chosen.push(segment);
  }
  return chosen;
}
