import { AppError } from '../../lib/errors/app-error.ts';
import { decodeRecipe, type Recipe, servedLengthOf } from '../../lib/worker-api/recipe.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import { readBytes } from '../chunks/read-bytes.ts';
import type { ErrorCode } from '../errors.ts';
import { LoadingCache } from '../loading-cache.ts';
import {
  CACHED_RECIPE_PAGES_MAX,
  CACHED_RECIPES_BYTES_MAX,
  RECIPE_BYTES_MAX,
  RECIPE_PAGE_BYTES,
} from './limits.ts';
import type { PlaybackCatalog } from './playback-catalog.ts';
import type { SegmentTable } from './segment-table.ts';

/** Recipes that lie next to each other. */
interface Page {
  /** Where it begins in its object. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/** How virtual segments are made. Recipes are read from the ring in pages, since who plays one segment plays the next. */
export class RecipeBook {
  readonly #catalog: Pick<PlaybackCatalog, 'table'>;
  readonly #store: Pick<ObjectStore, 'read'>;
  readonly #pages: LoadingCache<Page>;

  constructor(catalog: Pick<PlaybackCatalog, 'table'>, store: Pick<ObjectStore, 'read'>) {
    this.#catalog = catalog;
    this.#store = store;
    this.#pages = new LoadingCache({
      load: (name) => this.#load(name),
      weightOf: ({ bytes }) => bytes.length,
      maxEntries: CACHED_RECIPE_PAGES_MAX,
      maxWeight: CACHED_RECIPES_BYTES_MAX,
    });
  }

  /** Rejects with `rendition_not_found` when it is gone, or like `ObjectStore.read`. */
  async recipe(
    renditionId: string,
    table: SegmentTable,
    number: number,
    sourceBytes: number,
  ): Promise<Recipe> {
    const { offset, length, servedLength } = table.segment(number)!;
    const name = `${renditionId}/${table.pieceIndexOf(number)}/${Math.floor(offset / RECIPE_PAGE_BYTES)}`;
    const page = this.#pages.peek(name) ?? (await this.#pages.get(name));
    if (page === null) throw new AppError<ErrorCode>('rendition_not_found', 'The rendition is gone.');
    const start = offset - page.offset;
    const recipe = decodeRecipe(page.bytes.subarray(start, start + length), sourceBytes);
    // What is sent has the length that was promised, or the connection would be out of step.
    if (servedLengthOf(recipe) === servedLength) return recipe;
    throw new Error(
      `the recipe of segment ${number} makes ${servedLengthOf(recipe)} bytes, not ${servedLength}`,
    );
  }

  async #load(name: string): Promise<Page | null> {
    const [renditionId = '', piece, page] = name.split('/');
    const table = await this.#catalog.table(renditionId);
    if (table === null) return null;
    const [pieceIndex, pageIndex] = [Number(piece), Number(page)];
    const first = table.segmentFrom(pieceIndex, pageIndex * RECIPE_PAGE_BYTES);
    const behind = table.segmentFrom(pieceIndex, (pageIndex + 1) * RECIPE_PAGE_BYTES);
    const {
      offset,
      piece: { object },
    } = table.segment(first)!;
    const last = table.segment(behind - 1)!;
    const end = last.offset + last.length;
    if (end - offset > RECIPE_PAGE_BYTES + RECIPE_BYTES_MAX) throw new Error('a recipe is too long');
    const { signal } = new AbortController();
    return { offset, bytes: await readBytes(this.#store, object, { first: offset, last: end - 1 }, signal) };
  }
}
