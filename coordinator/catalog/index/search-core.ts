import type { IndexedMovie } from '../movie.ts';
import {
  CatalogIndex,
  type CatalogIndexOptions,
  type ChangedPlaces,
  type IndexChange,
  type SegmentIds,
  type SegmentSummary,
} from './catalog-index.ts';
import type { CatalogQuery, FacetValue, PageRequest, PageResult, Place } from './query.ts';
import { Searcher } from './searcher.ts';
import { type BuiltSegment, buildSegment } from './segment-builder.ts';
import { type Suggestion, suggest } from './suggestions.ts';

/** What is known of an index without asking it. */
export interface IndexState {
  readonly version: number;
  /** Movies that can be found. */
  readonly movies: number;
  /** How many changed movies wait for a segment of their own. */
  readonly changes: number;
  /** Segments in memory. */
  readonly cachedBytes: number;
}

/** A page without what lies in the index's own memory. */
export type FoundPage = Omit<PageResult, 'places'> & { readonly places: readonly Place[] };

/** What an index is asked, wherever it lies. What fails of the database fails here with the same error. */
export interface SearchCalls {
  /** Takes note of a change; resolves when the index shows it. */
  apply(change: IndexChange): Promise<void>;
  /** Reads everything again that is not in memory as it is. */
  sync(): Promise<void>;
  /** The parts of a segment that is about to be announced. They are the index's from now on. */
  take(segment: number, built: BuiltSegment): Promise<void>;
  page(query: CatalogQuery, request: PageRequest): Promise<FoundPage>;
  suggest(text: string, limit: number): Promise<readonly Suggestion[]>;
  /** Every genre that a movie has, by name, with the number of its movies. */
  genres(): Promise<readonly FacetValue[]>;
  segments(): Promise<readonly SegmentSummary[]>;
  /** Null when there is no such segment. */
  idsOf(segment: number): Promise<SegmentIds | null>;
  changedPlaces(): Promise<ChangedPlaces>;
  /** Makes a segment of a few movies. */
  build(movies: readonly IndexedMovie[]): Promise<BuiltSegment>;
}

export interface SearchCoreOptions extends CatalogIndexOptions {
  /** Whether segments are read before anybody asks for them. */
  readonly isWarm: boolean;
}

/** The index and what searches it, in whichever thread this is made. */
export class SearchCore implements SearchCalls {
  readonly #index: CatalogIndex;
  readonly #searcher = new Searcher();
  readonly #isWarm: boolean;

  constructor(options: SearchCoreOptions) {
    this.#index = new CatalogIndex(options);
    this.#isWarm = options.isWarm;
  }

  get state(): IndexState {
    const { version, movies, changes, cachedBytes } = this.#index;
    return { version, movies, changes, cachedBytes };
  }

  async apply(change: IndexChange): Promise<void> {
    await this.#index.apply(change);
    this.#warm();
  }

  async sync(): Promise<void> {
    await this.#index.sync();
    this.#warm();
  }

  async take(segment: number, built: BuiltSegment): Promise<void> {
    this.#index.take(segment, built);
  }

  async page(query: CatalogQuery, request: PageRequest): Promise<FoundPage> {
    const page = await this.#index.run((snapshot) => this.#searcher.page(snapshot, query, request));
    return { ...page, places: page.places.map(({ key, id }) => ({ key, id })) };
  }

  async suggest(text: string, limit: number): Promise<readonly Suggestion[]> {
    return await suggest({ index: this.#index, searcher: this.#searcher }, text, limit);
  }

  async genres(): Promise<readonly FacetValue[]> {
    return await this.#index.run((snapshot) => this.#searcher.genres(snapshot));
  }

  async segments(): Promise<readonly SegmentSummary[]> {
    return this.#index.summaries();
  }

  async idsOf(segment: number): Promise<SegmentIds | null> {
    return await this.#index.idsOf(segment);
  }

  async changedPlaces(): Promise<ChangedPlaces> {
    return await this.#index.changedPlaces();
  }

  async build(movies: readonly IndexedMovie[]): Promise<BuiltSegment> {
    return buildSegment(movies);
  }

  #warm(): void {
    // Whoever needs what could not be read now reads it then, and says what is wrong.
    if (this.#isWarm) this.#index.warm().catch(() => {});
  }
}
