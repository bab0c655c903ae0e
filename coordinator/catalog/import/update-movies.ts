import type { Transaction } from '../../database/database.ts';
import { invalidRequest } from '../../parse-fields.ts';
import type { IndexChange } from '../index/catalog-index.ts';
import type { CatalogSearch } from '../index/catalog-search.ts';
import type { IndexUpkeep } from '../index/index-upkeep.ts';
import type { SegmentStore } from '../index/segment-store.ts';
import { CHANGES_MAX } from '../limits.ts';
import type { MovieCache } from '../movie-cache.ts';
import type { ImportRepository } from './import-repository.ts';
import { columnsOf, type MovieRow } from './movie-columns.ts';

export interface UpdateMoviesOptions {
  readonly repository: ImportRepository;
  readonly cache: MovieCache;
  readonly store: SegmentStore;
  readonly index: Pick<CatalogSearch, 'apply' | 'take' | 'state'>;
  readonly upkeep: Pick<IndexUpkeep, 'flush'>;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly announce: (transaction: Transaction, change: IndexChange) => Promise<void>;
}

/** Announced by their ids; more of them are read again as a whole. */
const ANNOUNCED_IDS_MAX = 100;
const FOREIGN_KEY_VIOLATION = '23503';

/** Updates movies that no person has touched, for everybody to see; returns how many. */
export async function updateMovies(
  options: UpdateMoviesOptions,
  rows: readonly MovieRow[],
  alongside?: (transaction: Transaction) => Promise<void>,
): Promise<number> {
  const { store, index, cache, repository, upkeep, inTransaction, announce } = options;
  const columns = columnsOf(rows);
  const [ids, change] = await inTransaction(async (transaction): Promise<[string[], IndexChange]> => {
    const version = await store.lock(transaction);
    const ids = await repository.update(transaction, columns).catch(refuseUnknownVideo);
    await store.addChanges(transaction, ids);
    await alongside?.(transaction);
    const change = { version, ids: ids.length <= ANNOUNCED_IDS_MAX ? ids : undefined };
    await announce(transaction, change);
    return [ids, change];
  });
  for (const id of ids) cache.invalidate(id);
  await index.apply(change);
  if (index.state.changes >= CHANGES_MAX) await upkeep.flush();
  return ids.length;
}

/** For what stores movies: says which field names a video that there is none of. */
export function refuseUnknownVideo(error: unknown): never {
  if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) {
    throw invalidRequest([{ field: 'videoId', message: 'there is no such video' }]);
  }
  throw error;
}
