import type { Movie, NewMovie } from '../../api/types.ts';

/** A movie as it stands in a form: everything is text. */
export interface MovieFields {
  readonly title: string;
  readonly originalTitle: string;
  readonly year: string;
  readonly directors: string;
  readonly genres: string;
  readonly score: string;
  readonly popularity: string;
  readonly runtimeMinutes: string;
  readonly synopsis: string;
  readonly poster: string;
  readonly videoId: string;
}

export const NO_FIELDS: MovieFields = {
  ...{ title: '', originalTitle: '', year: '', directors: '', genres: '', score: '' },
  ...{ popularity: '', runtimeMinutes: '', synopsis: '', poster: '', videoId: '' },
};

export function fieldsOf(movie: Movie): MovieFields {
  const text = (value: string | number | null) => (value === null ? '' : String(value));
  return {
    title: movie.title,
    originalTitle: text(movie.originalTitle),
    year: text(movie.year),
    directors: movie.directors.join('; '),
    genres: movie.genres.join('; '),
    score: text(movie.score),
    popularity: text(movie.popularity),
    runtimeMinutes: text(movie.runtimeMinutes),
    synopsis: text(movie.synopsis),
    poster: text(movie.poster),
    videoId: text(movie.videoId),
  };
}

/** What the API is sent. Names are divided by semicolons; an address or a link of a video counts as its id. */
export function movieOf(fields: MovieFields): NewMovie {
  const text = (value: string) => (value.trim() === '' ? null : value.trim());
  const number = (value: string) => (value.trim() === '' ? null : Number(value.replace(',', '.')));
  const names = (value: string) =>
    value
      .split(';')
      .map((name) => name.trim())
      .filter((name) => name !== '');
  return {
    title: fields.title.trim(),
    originalTitle: text(fields.originalTitle),
    year: number(fields.year),
    directors: names(fields.directors),
    genres: names(fields.genres),
    score: number(fields.score),
    popularity: number(fields.popularity),
    runtimeMinutes: number(fields.runtimeMinutes),
    synopsis: text(fields.synopsis),
    poster: text(fields.poster),
    videoId: idIn(fields.videoId),
  };
}

function idIn(text: string): string | null {
  const id = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text)?.[0];
  return id?.toLowerCase() ?? (text.trim() === '' ? null : text.trim());
}
