import { type DocsPart, NO_NUMBER, NO_YEAR } from './docs-part.ts';
import type { CatalogQuery } from './query.ts';
import { isDead } from './segment.ts';

export type Filter = (doc: number) => boolean;

/** Which movies of a segment pass; null when none can. One plain function: it is asked about every movie. */
export function createFilter(docs: DocsPart, dead: Uint8Array | null, query: CatalogQuery): Filter | null {
  const { minScore, maxScore, yearFrom, yearTo } = query;
  const flags: Uint8Array[] = [];
  for (const key of query.genres) {
    const genre = docs.genreNames.find(key);
    if (genre === -1) return null;
    flags.push(docs.docsOfGenre(genre).flags);
  }
  const director = query.director === undefined ? -1 : docs.directorNames.find(query.director);
  if (query.director !== undefined && director === -1) return null;
  const { score, year, directorsOf, directorsStart } = docs;
  const hasScore = minScore !== undefined || maxScore !== undefined;
  const leastScore = Math.ceil((minScore ?? 0) * 100 - 1e-6);
  const mostScore = hasScore ? Math.floor((maxScore ?? 10) * 100 + 1e-6) : NO_NUMBER;
  const hasYear = yearFrom !== undefined || yearTo !== undefined;
  const leastYear = hasYear ? (yearFrom ?? NO_YEAR + 1) : NO_YEAR;
  const mostYear = yearTo ?? 32_767;
  const [genre, ...moreGenres] = flags;
  return (doc) => {
    if (score[doc]! < leastScore || score[doc]! > mostScore) return false;
    if (year[doc]! < leastYear || year[doc]! > mostYear) return false;
    if (genre !== undefined && genre[doc] === 0) return false;
    if (dead !== null && isDead(dead, doc)) return false;
    for (const more of moreGenres) if (more[doc] === 0) return false;
    if (director === -1) return true;
    for (let at = directorsStart[doc]!; at < directorsStart[doc + 1]!; at++) {
      if (directorsOf[at] === director) return true;
    }
    return false;
  };
}
