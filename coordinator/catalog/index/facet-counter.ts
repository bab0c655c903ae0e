import { FACET_DIRECTORS_DOCS_MAX, FACET_VALUES_MAX } from '../limits.ts';
import { type DocsPart, NO_YEAR } from './docs-part.ts';
import type { Filter } from './filters.ts';
import type { Facets, FacetValue } from './query.ts';

/** Counts genres, years and directors of movies, one segment after the other. */
export class FacetCounter {
  readonly #genres = new Map<string, number>();
  readonly #years = new Map<number, number>();
  readonly #directors = new Map<string, number>();
  readonly #directorDocsMax: number;
  #isSampled = false;

  constructor(segments: number) {
    this.#directorDocsMax = Math.ceil(FACET_DIRECTORS_DOCS_MAX / Math.max(1, segments));
  }

  /** `found`: the movies to look at, the most popular first; undefined for all. */
  add(docs: DocsPart, found: Uint16Array | undefined, filter: Filter): void {
    const genres = new Uint32Array(docs.genreNames.count);
    const directors = new Map<number, number>();
    let seen = 0;
    const length = found?.length ?? docs.count;
    for (let at = 0; at < length; at++) {
      const doc = found === undefined ? at : found[at]!;
      if (!filter(doc)) continue;
      seen += 1;
      for (let from = docs.genresStart[doc]!; from < docs.genresStart[doc + 1]!; from++) {
        genres[docs.genresOf[from]!]! += 1;
      }
      const year = docs.year[doc]!;
      if (year !== NO_YEAR) this.#years.set(year, (this.#years.get(year) ?? 0) + 1);
      if (seen > this.#directorDocsMax) continue;
      for (let from = docs.directorsStart[doc]!; from < docs.directorsStart[doc + 1]!; from++) {
        const director = docs.directorsOf[from]!;
        directors.set(director, (directors.get(director) ?? 0) + 1);
      }
    }
    if (seen > this.#directorDocsMax) this.#isSampled = true;
    for (const [genre, count] of genres.entries()) {
      if (count > 0) tally(this.#genres, docs.genreNames.at(genre), count);
    }
    for (const [director, count] of directors) tally(this.#directors, docs.directorNames.at(director), count);
  }

  result(): Facets {
    return {
      genres: mostFrequent(this.#genres),
      years: mostFrequent(this.#years),
      directors: mostFrequent(this.#directors),
      directorsSampled: this.#isSampled,
    };
  }

  /** All of them, by name. */
  genres(): readonly FacetValue[] {
    return [...this.#genres]
      .map(([value, count]) => ({ value, count }))
      .sort((a, b) => (a.value < b.value ? -1 : 1));
  }
}

function tally(counts: Map<string, number>, value: string, count: number): void {
  counts.set(value, (counts.get(value) ?? 0) + count);
}

function mostFrequent(counts: ReadonlyMap<string | number, number>): FacetValue[] {
  return [...counts]
    .map(([value, count]) => ({ value, count }))
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, FACET_VALUES_MAX);
}
