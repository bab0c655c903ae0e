import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/clock/clock.ts';
import type { DatabaseHandle, Transaction } from '../../database/database.ts';
import { Leases } from '../../database/leases.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../../database/test-support/engines.ts';
import { SMALL_SEGMENTS_MAX } from '../limits.ts';
import type { MovieFields } from '../movie.ts';
import { MovieRepository } from '../movie-repository.ts';
import { queryWordsOf } from '../text.ts';
import type { IndexChange } from './catalog-index.ts';
import { CatalogSearch } from './catalog-search.ts';
import { IndexUpkeep } from './index-upkeep.ts';
import { EVERYTHING } from './query.ts';
import { SegmentStore } from './segment-store.ts';

const NOTHING: Omit<MovieFields, 'title'> = {
  originalTitle: null,
  year: null,
  directors: [],
  genres: [],
  score: null,
  popularity: null,
  runtimeMinutes: null,
  synopsis: null,
  poster: null,
  videoId: null,
};

describe.each(ENGINES)('the index on %s', (engine) => {
  let database: DatabaseHandle;
  let store: SegmentStore;
  let movies: MovieRepository;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
    store = new SegmentStore(database.kysely);
    movies = new MovieRepository(database.kysely);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  /** As one coordinator sees it. */
  const open = async (cacheBytesMax = 2 ** 30) => {
    const index = await CatalogSearch.open({
      store,
      clock: systemClock,
      logger: silentLogger,
      cacheBytesMax,
    });
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      database.kysely.transaction().execute(work);
    const leases = new Leases(database.kysely, uuidv7());
    const announce = async () => {};
    const shared = {
      store,
      index,
      inTransaction,
      leases,
      announce,
      clock: systemClock,
      logger: silentLogger,
    };
    const change = async (ids: readonly string[], work: (transaction: Transaction) => Promise<unknown>) => {
      const done = await inTransaction(async (transaction): Promise<IndexChange> => {
        const version = await store.lock(transaction);
        await work(transaction);
        await store.addChanges(transaction, ids);
        return { version, ids };
      });
      await index.apply(done);
    };
    const add = async (title: string) => {
      const id = uuidv7();
      await change([id], (transaction) => movies.insert(transaction, id, { ...NOTHING, title }, id));
      return id;
    };
    const search = async (text: string) => {
      const query = { ...EVERYTHING, words: queryWordsOf(text), isTyping: false, sort: 'newest' as const };
      const request = { limit: 100, after: undefined, facets: false };
      const page = await index.page(query, request);
      return page.places.map(({ id }) => id);
    };
    return { index, upkeep: new IndexUpkeep(shared), change, add, search };
  };

  test('shows changes before and after they are made into segments, here and elsewhere', async () => {
    const [one, other] = [await open(), await open(16)];
    const [kept, edited, deleted] = [
      await one.add('Zebra kept'),
      await one.add('Zebra'),
      await one.add('Zebra gone'),
    ];
    const expectFound = async (text: string, ids: readonly string[]) => {
      for (const { index, search } of [one, other]) {
        await index.sync();
        expect(new Set(await search(text))).toEqual(new Set(ids));
      }
    };
    await expectFound('zebra', [kept, edited, deleted]);
    await one.upkeep.flush();
    expect(one.index.state.changes).toBe(0);
    await expectFound('zebra', [kept, edited, deleted]);
    await one.change([edited], (transaction) =>
      movies.update(transaction, edited, { ...NOTHING, title: 'Quagga' }),
    );
    await one.change([deleted], (transaction) => movies.delete(transaction, deleted));
    expect(await one.search('zebra')).toEqual([kept]);
    await expectFound('quagga', [edited]);
    // The other one has segments in memory that are void now.
    await one.upkeep.flush();
    expect(await other.search('zebra')).toEqual([kept]);
    await expectFound('zebra', [kept]);
    await expectFound('quagga', [edited]);
    expect(one.index.state.movies).toBe(2);
  });

  test('merges small segments while movies in them change', async () => {
    const [one, other] = [await open(), await open()];
    const ids: string[] = [];
    for (let segment = 0; segment < SMALL_SEGMENTS_MAX; segment++) {
      ids.push(await one.add(`Okapi ${segment}`), await one.add(`Okapi too ${segment}`));
      await one.upkeep.flush();
    }
    const before = (await database.kysely.selectFrom('movie_segments').select('id').execute()).length;
    await other.index.sync();
    const merging = one.upkeep.runOnce();
    // Meanwhile, by another coordinator, and into a segment of its own.
    await other.change([ids[0]!], (transaction) => movies.delete(transaction, ids[0]!));
    await other.change([ids[3]!], (transaction) =>
      movies.update(transaction, ids[3]!, { ...NOTHING, title: 'Tapir' }),
    );
    await merging;
    await other.index.sync();
    await other.upkeep.flush();
    await one.index.sync();
    const after = (await database.kysely.selectFrom('movie_segments').select('id').execute()).length;
    expect(after).toBeLessThan(before);
    for (const { search } of [one, other]) {
      expect(new Set(await search('okapi'))).toEqual(new Set(ids.filter((_, at) => at !== 0 && at !== 3)));
      expect(await search('tapir')).toEqual([ids[3]]);
    }
  });
});
