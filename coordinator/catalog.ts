import type { Hono } from 'hono';
import { YoungGarbage } from '../lib/bytes/young-garbage.ts';
import { type Clock, repeat, systemClock } from '../lib/clock/clock.ts';
import type { DirectRoute } from '../lib/http/direct-routes.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey } from '../lib/signing/signed-url.ts';
import type { Gate } from './auth/gate.ts';
import { AnswerCache } from './catalog/answer-cache.ts';
import { Cursors } from './catalog/cursor.ts';
import { GatheredReads } from './catalog/gathered-reads.ts';
import { ImportRepository } from './catalog/import/import-repository.ts';
import { Importer } from './catalog/import/importer.ts';
import type { IndexChange } from './catalog/index/catalog-index.ts';
import { CatalogSearch } from './catalog/index/catalog-search.ts';
import { IndexUpkeep } from './catalog/index/index-upkeep.ts';
import { SegmentStore } from './catalog/index/segment-store.ts';
import {
  COLLECT_EVERY_BYTES,
  IMPORT_COLLECT_EVERY_BYTES,
  MOVIE_READS_MAX,
  UPKEEP_INTERVAL_MS,
} from './catalog/limits.ts';
import { MovieCache } from './catalog/movie-cache.ts';
import { MovieRepository } from './catalog/movie-repository.ts';
import { createCatalogRoutes, createMovieRoute, describeMovie } from './catalog/routes.ts';
import { CatalogService } from './catalog/service.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle, Transaction } from './database/database.ts';
import type { Leases } from './database/leases.ts';
import { LIMITS } from './limits.ts';
import type { Metrics } from './system/metrics.ts';
import { ContentCors } from './videos/content-cors.ts';

const CHANNEL = 'movies';

export interface CatalogParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly leases: Leases;
  readonly gate: Pick<Gate, 'admit'>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly basePath: string;
  readonly clock?: Clock;
}

/** What the rest of the coordinator needs of the catalog. */
export interface Catalog {
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly routes: Hono<any>;
  readonly direct: DirectRoute;
  start(): void;
}

/** Puts the catalog of movies together; what has to be closed goes on the stack. */
export async function openCatalog(stack: AsyncDisposableStack, parts: CatalogParts): Promise<Catalog> {
  const { config, database, leases, gate, metrics, logger, basePath, clock = systemClock } = parts;
  const { kysely } = database;
  const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
    kysely.transaction().execute(work);
  const announce = (transaction: Transaction, change: IndexChange) =>
    database.notifications.publish(CHANNEL, JSON.stringify(change), transaction);

  // 1. What is kept in memory.
  const movies = new MovieRepository(kysely);
  const reads = new GatheredReads({
    read: (ids) => movies.findMany(ids),
    readsMax: database.kind === 'pglite' ? 1 : MOVIE_READS_MAX,
  });
  const garbage = new YoungGarbage(COLLECT_EVERY_BYTES);
  const cache = new MovieCache({ load: (ids) => reads.load(ids), describe: describeMovie, clock, garbage });
  const store = new SegmentStore(kysely);
  const index = stack.use(
    await CatalogSearch.open({ store, clock, logger, cacheBytesMax: config.CATALOG_CACHE }),
  );
  const answers = new AnswerCache({ clock, version: () => index.state.version, garbage });
  const forget = () => {
    cache.clear();
    answers.clear();
  };

  // 2. It follows what others change.
  const takeNote = async (payload: string) => {
    const { version, ids } = JSON.parse(payload) as { version?: number; ids?: string[] };
    if (ids === undefined) cache.clear();
    else for (const id of ids) cache.invalidate(id);
    // A movie that lost its video is found as before, but looks different.
    if (version === undefined) answers.clear();
    else await index.apply({ version, ids });
  };
  const fail = (error: unknown) => logger.warn({ err: error }, 'the index of movies is behind');
  stack.defer(
    await database.notifications.subscribe(CHANNEL, (payload) => void takeNote(payload).catch(fail)),
  );
  stack.defer(
    database.notifications.onGap(() => {
      forget();
      void index.sync().catch(fail);
    }),
  );
  await index.sync();

  // 3. What changes it.
  const shared = { store, index, inTransaction, announce, clock, logger, leases };
  const upkeep = new IndexUpkeep(shared);
  const importer = stack.use(
    new Importer({
      ...shared,
      database: kysely,
      repository: new ImportRepository(database),
      movies,
      cache,
      upkeep,
      garbage: new YoungGarbage(IMPORT_COLLECT_EVERY_BYTES),
    }),
  );
  const cursors = new Cursors(deriveKey(config.CLUSTER_SECRET, 'catalog-cursors'));
  const service = new CatalogService({ ...shared, movies, cache, cursors });

  const deps = {
    service,
    suggest: (text: string, limit: number) => index.suggest(text, limit),
    answers,
    importer,
    gate,
    cors: new ContentCors(config.CORS_ORIGINS),
    basePath,
    anonymousRead: config.ANONYMOUS_READ,
    bodyTimeoutMs: LIMITS.jsonBodyTimeoutMs,
  };
  observe(metrics, { index, cache, answers });
  return {
    routes: createCatalogRoutes(deps),
    direct: createMovieRoute(deps),
    start: () => {
      const stop = new AbortController();
      index.start();
      upkeep.start();
      const recovering = repeat(clock, UPKEEP_INTERVAL_MS, stop.signal, () =>
        importer
          .recoverOnce()
          .catch((error: unknown) => logger.warn({ err: error }, 'an import could not be ended')),
      );
      stack.use(upkeep);
      stack.defer(async () => {
        stop.abort();
        await recovering;
      });
    },
  };
}

function observe(
  metrics: Metrics,
  { index, cache, answers }: { index: CatalogSearch; cache: MovieCache; answers: AnswerCache },
): void {
  metrics.observe('orbitvids_movies', 'Movies that can be found', () => index.state.movies);
  metrics.observe(
    'orbitvids_catalog_index_bytes',
    'Segments of the catalog in memory',
    () => index.state.cachedBytes,
  );
  metrics.observe(
    'orbitvids_catalog_thread_starts',
    'Threads that were started for searches; all but the first took the place of one that ended',
    () => index.threadStarts,
  );
  metrics.observe('orbitvids_movie_cache_hits', 'Movies that were read from memory', () => cache.hits);
  metrics.observe(
    'orbitvids_movie_cache_misses',
    'Movies that were read from the database',
    () => cache.misses,
  );
  metrics.observe('orbitvids_movie_cache_hit_ratio', 'Share of movies that were read from memory', () =>
    share(cache),
  );
  metrics.observe('orbitvids_movie_answer_hit_ratio', 'Share of lists that were answered from memory', () =>
    share(answers),
  );
}

function share({ hits, misses }: { readonly hits: number; readonly misses: number }): number {
  return hits + misses === 0 ? 0 : hits / (hits + misses);
}
