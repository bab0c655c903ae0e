/** What is looked for, as it stands in the address of the page. */
export interface MovieQuery {
  readonly q: string;
  readonly genres: readonly string[];
  readonly director: string;
  readonly yearFrom: string;
  readonly yearTo: string;
  readonly minScore: string;
  /** Empty for what the server thinks best. */
  readonly sort: string;
}

export const SORTS = ['popularity', 'score', 'title', 'year', 'newest'] as const;

export function readQuery(parameters: URLSearchParams): MovieQuery {
  const one = (name: string) => parameters.get(name) ?? '';
  const year = (name: string) => (/^\d{1,4}$/.test(one(name)) ? one(name) : '');
  const sort = one('sort');
  return {
    q: one('q').slice(0, 200),
    genres: [...new Set(parameters.getAll('genre'))].slice(0, 10),
    director: one('director'),
    yearFrom: year('yearFrom'),
    yearTo: year('yearTo'),
    minScore: /^\d(\.\d)?$|^10$/.test(one('minScore')) ? one('minScore') : '',
    sort: SORTS.some((known) => known === sort) ? sort : '',
  };
}

/** As the API takes it; the same query gives the same text. */
export function toApiQuery(query: MovieQuery): Record<string, string | readonly string[]> {
  const { q, genres, director, yearFrom, yearTo, minScore, sort } = query;
  return { q, genre: genres, director, yearFrom, yearTo, minScore, sort };
}

/** Whether anything is looked for at all. */
export function isNarrowed(query: MovieQuery): boolean {
  const { q, genres, director, yearFrom, yearTo, minScore } = query;
  return genres.length > 0 || [q, director, yearFrom, yearTo, minScore].some((text) => text !== '');
}

export interface Decade {
  readonly from: number;
  readonly count: number;
}

/** Years counted together, the latest decade first. */
export function decadesOf(years: readonly { readonly value: number; readonly count: number }[]): Decade[] {
  const counts = new Map<number, number>();
  for (const { value, count } of years) {
    const from = Math.floor(value / 10) * 10;
    counts.set(from, (counts.get(from) ?? 0) + count);
  }
  return [...counts].map(([from, count]) => ({ from, count })).sort((a, b) => b.from - a.from);
}
