import { hash } from 'node:crypto';
import type { MovieFields } from './movie.ts';
import { normalizeText } from './text.ts';

/**
 * By what an import knows a movie again: title, year and directors, whatever their case and accents. A remake has
 * another year. A hash in a UUID's form; 128 bits, so that two movies never share one by chance.
 */
export function identityOf({
  title,
  year,
  directors,
}: Pick<MovieFields, 'title' | 'year' | 'directors'>): string {
  const people = directors.length < 2 ? directors.map(normalizeText) : directors.map(normalizeText).sort();
  return hash('md5', `${normalizeText(title)}\n${year ?? ''}\n${people.join('\n')}`);
}

/** Of everything that an import says: equal for equal movies. */
export function contentHashOf(movie: MovieFields): string {
  return hash(
    'md5',
    JSON.stringify([
      movie.title,
      movie.originalTitle,
      movie.year,
      movie.directors,
      movie.genres,
      movie.score,
      movie.popularity,
      movie.runtimeMinutes,
      movie.synopsis,
      movie.poster,
      movie.videoId,
    ]),
  );
}
