import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../lib/clock/clock.ts';
import { AppError } from '../../../lib/errors/app-error.ts';
import { createLogger } from '../../../lib/logging/logger.ts';
import { ManualClock } from '../../cluster/test-support/manual-clock.ts';
import { silentLogger } from '../../database/test-support/silent-logger.ts';
import { SEARCH_WAIT_MS, THREAD_RESTART_MIN_MS } from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import { idOf, movieOf } from '../test-support/memory-index.ts';
import { CatalogSearch, type CatalogSearchOptions } from './catalog-search.ts';
import { EVERYTHING } from './query.ts';
import { type BuiltSegment, buildSegment } from './segment-builder.ts';
import type { PartKind } from './segment-store.ts';

const MIN = 3;
const FRAGILE = new URL('../test-support/fragile-search-thread.ts', import.meta.url);

/** Tables of segments and changes in memory. */
class MemoryStore {
  readonly segments = new Map<number, BuiltSegment>();
  readonly changes = new Map<string, IndexedMovie>();
  /** Whether movies can be read; while they cannot, whoever asks waits. */
  gate: Promise<void> = Promise.resolve();
  failure: Error | undefined;
  partReads = 0;
  #version = 1;

  add(...movies: readonly IndexedMovie[]) {
    for (const movie of movies) this.changes.set(movie.id, movie);
    return { version: ++this.#version, ids: movies.map(({ id }) => id) };
  }

  addSegment(id: number, movies: readonly IndexedMovie[]) {
    const built = buildSegment(movies);
    this.segments.set(id, built);
    return { change: { version: ++this.#version }, built: structuredClone(built) };
  }

  async version() {
    return this.#version;
  }

  async read() {
    const segments = [...this.segments].map(([id, { docs }]) => ({ id, docs, dead: null, deadCount: 0 }));
    return { version: this.#version, segments, changes: new Map(this.changes) };
  }

  async movies(ids: readonly string[]) {
    await this.gate;
    return ids.map((id) => this.changes.get(id)).filter((movie) => movie !== undefined);
  }

  async part(id: number, kind: PartKind) {
    this.partReads += 1;
    if (this.failure !== undefined) throw this.failure;
    const built = this.segments.get(id);
    return built === undefined ? null : Uint8Array.from(kind === 'docs' ? built.docsPart : built.termsPart);
  }
}

describe('the index of a catalog', () => {
  let store: MemoryStore;
  let search: CatalogSearch;
  const open = async (options: Partial<CatalogSearchOptions> = {}) => {
    const shared = { clock: systemClock, logger: silentLogger, cacheBytesMax: 2 ** 30 };
    search = await CatalogSearch.open({ ...shared, store, threadMoviesMin: MIN, ...options });
  };
  const find = async (word: string) => {
    const query = { ...EVERYTHING, words: word === '' ? [] : [word], isTyping: false };
    const page = await search.page(query, { limit: 100, after: undefined, facets: false });
    return page.places.map(({ id }) => id).sort();
  };
  beforeEach(() => {
    store = new MemoryStore();
  });
  afterEach(() => search[Symbol.asyncDispose]());

  test('is moved to a thread when it has grown, and answers alike', async () => {
    store.addSegment(1, [movieOf(1, { title: 'Zebra one' }), movieOf(2, { genres: ['War'] })]);
    await open();
    expect(await find('zebra')).toEqual([idOf(1)]);
    expect(search.threadStarts).toBe(0);
    await search.apply(store.add(movieOf(3, { title: 'Zebra two' })));
    expect(await find('zebra')).toEqual([idOf(1), idOf(3)]);
    expect(search.threadStarts).toBe(1);
    expect(search.state).toMatchObject({ version: 3, movies: 3, changes: 1 });
    await search.apply(store.add(movieOf(1, { title: 'Quagga' })));
    expect(await find('zebra')).toEqual([idOf(3)]);
    expect(search.state).toMatchObject({ version: 4, movies: 3, changes: 2 });
    expect(await search.genres()).toEqual([{ value: 'War', count: 1 }]);
    expect(await search.suggest('quag', 5)).toMatchObject([{ text: 'Quagga' }]);
    expect(await search.changedPlaces()).toEqual({ ids: [idOf(3), idOf(1)], segments: new Map([[1, [1]]]) });
  });

  test('is read ahead by the thread, but for segments that it was given', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    await open();
    await vi.waitFor(() => expect(store.partReads).toBe(2));
    const { change, built } = store.addSegment(2, [movieOf(4, { title: 'Zebra' })]);
    await search.take(2, built);
    await search.apply(change);
    expect(await find('zebra')).toEqual([idOf(4)]);
    expect(await find('')).toHaveLength(4);
    expect(store.partReads).toBe(2);
  });

  test('fails as the database does', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    store.failure = new AppError('database_unavailable', 'gone', { retryable: true });
    await open();
    await expect(find('movie')).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
    store.failure = undefined;
    expect(await find('movie')).toHaveLength(3);
    expect(search.threadStarts).toBe(1);
  });

  test('refuses who waits when the thread ends, and shows what changed meanwhile', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, { title: 'Zebra' })),
    );
    await open({ threadEntry: FRAGILE });
    expect(await find('zebra')).toHaveLength(3);
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const changed = search.apply(store.add(movieOf(4, { title: 'Zebra' })));
    const [waiting, crash] = [find('zebra'), find('crash')];
    await expect(crash).rejects.toMatchObject({ code: 'too_busy', retryable: true });
    await waiting.catch((error: unknown) => expect(error).toMatchObject({ code: 'too_busy' }));
    await changed;
    // So that nothing is shown that was answered before.
    expect(search.state.version).toBe(await store.version());
    expect(await find('zebra')).toHaveLength(4);
    expect(search.threadStarts).toBe(2);
    gate.resolve();
    await search.apply(store.add(movieOf(5, { title: 'Zebra' })));
    expect(await find('zebra')).toHaveLength(5);
  });

  test('says so when a thread that has just come could not read a change', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    const before = await store.read();
    await open();
    store.read = async () => before;
    store.movies = async () => {
      throw new AppError('database_unavailable', 'gone', { retryable: true });
    };
    const changed = search.apply(store.add(movieOf(4, {})));
    await expect(changed).rejects.toMatchObject({ code: 'database_unavailable' });
  });

  test('makes a segment for who holds a transaction, which a thread that starts would wait for', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    const read = Promise.withResolvers<void>();
    await open();
    store.read = async () => {
      await read.promise;
      return { version: 1, segments: [], changes: new Map() };
    };
    expect((await search.build([movieOf(4, {})])).docs).toBe(1);
    read.resolve();
  });

  test('starts a thread that dies less and less often, and refuses who has waited for it', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    const clock = new ManualClock();
    let deaths = 0;
    const logger = createLogger({ name: 'test', level: 'silent' });
    logger.error = () => (deaths += 1);
    await open({ clock, logger, threadEntry: new URL('data:text/javascript,process.exit(1)') });
    let refusal: unknown;
    find('movie').catch((error: unknown) => {
      refusal = error;
    });
    for (const [died, delayMs] of [THREAD_RESTART_MIN_MS, 2 * THREAD_RESTART_MIN_MS].entries()) {
      await vi.waitFor(() => expect(deaths).toBe(died + 1));
      await clock.advance(delayMs - 1);
      expect(search.threadStarts).toBe(died + 1);
      await clock.advance(1);
      expect(search.threadStarts).toBe(died + 2);
    }
    expect(refusal).toBeUndefined();
    await clock.advance(SEARCH_WAIT_MS);
    expect(refusal).toMatchObject({ code: 'too_busy', retryable: true });
  });

  test('closes at once, and refuses whoever waits', async () => {
    store.addSegment(
      1,
      [1, 2, 3].map((number) => movieOf(number, {})),
    );
    await open();
    await find('movie');
    store.gate = new Promise(() => {});
    const changing = search.apply(store.add(movieOf(4, {})));
    await search[Symbol.asyncDispose]();
    await changing;
    await expect(find('movie')).rejects.toMatchObject({ code: 'too_busy' });
  });
});
