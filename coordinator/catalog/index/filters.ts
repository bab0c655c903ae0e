import { type DocsPart, NO_NUMBER, NO_YEAR } from './docs-part.ts';
import type { CatalogQuery } from './query.ts';
import { isDead } from './segment.ts';

export type Filter = (doc: number) => boolean;

/** Whether the query says anything about movies but their words. */
export function hasFilters(query: CatalogQuery): boolean {
  const { genres, director, minScore, maxScore, yearFrom, yearTo } = query;
  return (
    genres.length > 0 || [director, minScore, maxScore, yearFrom, yearTo].some((value) => value !== undefined)
  );
}

/** Which movies of a segment pass; null when none can. */
export function createFilter(docs: DocsPart, dead: Uint8Array | null, query: CatalogQuery): Filter | null {
  const tests: Filter[] = [];
  if (dead !== null) tests.push((doc) => !isDead(dead, doc));
  for (const key of query.genres) {
    const genre = docs.genreNames.find(key);
    if (genre === -1) return null;
    const flags = docs.docsOfGenre(genre);
    tests.push((doc) => flags[doc] === 1);
  }
  if (query.director !== undefined) {
    const director = docs.directorNames.find(query.director);
    if (director === -1) return null;
    const { directorsOf, directorsStart } = docs;
    tests.push((doc) => {
      for (let at = directorsStart[doc]!; at < directorsStart[doc + 1]!; at++) {
        if (directorsOf[at] === director) return true;
      }
      return false;
    });
  }
  const { minScore, maxScore, yearFrom, yearTo } = query;
  if (minScore !== undefined || maxScore !== undefined) {
    const { score } = docs;
    const least = Math.ceil((minScore ?? 0) * 100 - 1e-6);
    const most = Math.floor((maxScore ?? 10) * 100 + 1e-6);
    tests.push((doc) => score[doc] !== NO_NUMBER && score[doc]! >= least && score[doc]! <= most);
  }
  if (yearFrom !== undefined || yearTo !== undefined) {
    const { year } = docs;
    const least = yearFrom ?? NO_YEAR + 1;
    const most = yearTo ?? 32_767;
    tests.push((doc) => year[doc]! >= least && year[doc]! <= most);
  }
  return combine(tests);
}

function combine(tests: readonly Filter[]): Filter {
  const [first, second, ...others] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (others.length === 0) return (doc) => first(doc) && second(doc);
  return (doc) => first(doc) && second(doc) && others.every((test) => test(doc));
}
