import type { DocsPart, SortOrder } from './docs-part.ts';

/** What is asked of the index. Names are normalised. */
export interface CatalogQuery {
  /** Normalised words; all of them are wanted. Empty: everything. */
  readonly words: readonly string[];
  /** Whether the last word may be the beginning of one. */
  readonly isTyping: boolean;
  readonly genres: readonly string[];
  readonly director: string | undefined;
  readonly minScore: number | undefined;
  readonly maxScore: number | undefined;
  readonly yearFrom: number | undefined;
  readonly yearTo: number | undefined;
  readonly sort: SortOrder | 'relevance';
}

/** Whatever there is. */
export const EVERYTHING: CatalogQuery = {
  words: [],
  isTyping: false,
  genres: [],
  director: undefined,
  minScore: undefined,
  maxScore: undefined,
  yearFrom: undefined,
  yearTo: undefined,
  sort: 'popularity',
};

/** A place in a list: what it is sorted by, and the movie's id. */
export interface Place {
  readonly key: number | string;
  readonly id: string;
}

/** Where a query has found a movie. */
export interface FoundPlace extends Place {
  readonly docs: DocsPart;
  /** The movie's number there. */
  readonly doc: number;
}

export interface PageRequest {
  readonly limit: number;
  /** The page begins behind it. */
  readonly after: (Place & { readonly effort: Effort }) | undefined;
  readonly facets: boolean;
  /** Only titles and people count; the most popular ones are wanted, and there need not be more. */
  readonly forSuggestions?: boolean;
}

/**
 * How hard a search tries: `exact` corrects words that no movie has, `spelling` all of them, `some` is content when
 * one word is missing. A list keeps the effort of its first page.
 */
export type Effort = 'exact' | 'spelling' | 'some';
export const EFFORTS: readonly Effort[] = ['exact', 'spelling', 'some'];

export interface FacetValue {
  readonly value: string | number;
  readonly count: number;
}

export interface Facets {
  readonly genres: readonly FacetValue[];
  readonly years: readonly FacetValue[];
  readonly directors: readonly FacetValue[];
  /** Whether directors were counted among the most popular matches only, there being too many. */
  readonly directorsSampled: boolean;
}

export interface PageResult {
  readonly places: readonly FoundPlace[];
  readonly hasMore: boolean;
  readonly effort: Effort;
  readonly facets: Facets | undefined;
}
