import type { MovieFields } from '../movie.ts';

/** A movie on its way into the table. */
export interface MovieRow {
  readonly id: string;
  /** Hexadecimal. */
  readonly identity: string;
  /** Hexadecimal; see `MoviesTable.imported`. */
  readonly imported: string;
  readonly fields: MovieFields;
}

/** Columns of many rows as PostgreSQL's array literals: one statement with few parameters takes them all. */
export interface MovieColumns {
  readonly id: string;
  readonly identity: string;
  readonly imported: string;
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

const SPECIAL = /["\\]/;

/** There is at least one row. */
export function columnsOf(rows: readonly MovieRow[]): MovieColumns {
  const texts = (read: (fields: MovieFields) => string | null) =>
    `{${rows.map(({ fields }) => quoted(read(fields))).join(',')}}`;
  const lists = (read: (fields: MovieFields) => readonly string[]) =>
    `{${rows.map(({ fields }) => quotedArray(read(fields))).join(',')}}`;
  const plain = (read: (row: MovieRow) => string | number | null) =>
    `{${rows.map((row) => read(row) ?? 'NULL').join(',')}}`;
  return {
    id: plain(({ id }) => id),
    identity: plain(({ identity }) => identity),
    imported: plain(({ imported }) => imported),
    title: texts(({ title }) => title),
    originalTitle: texts(({ originalTitle }) => originalTitle),
    year: plain(({ fields }) => fields.year),
    directors: lists(({ directors }) => directors),
    genres: lists(({ genres }) => genres),
    score: plain(({ fields }) => fields.score),
    popularity: plain(({ fields }) => fields.popularity),
    runtimeMinutes: plain(({ fields }) => fields.runtimeMinutes),
    synopsis: texts(({ synopsis }) => synopsis),
    poster: texts(({ poster }) => poster),
    videoId: plain(({ fields }) => fields.videoId),
  };
}

/** An array literal as a value of another one. */
function quotedArray(values: readonly string[]): string {
  // Most names need nothing but quotes, which are escaped already.
  const isPlain = !values.some((value) => SPECIAL.test(value));
  if (isPlain) return values.length === 0 ? '"{}"' : `"{\\"${values.join('\\",\\"')}\\"}"`;
  return quoted(`{${values.map(quoted).join(',')}}`);
}

function quoted(text: string | null): string {
  if (text === null) return 'NULL';
  return `"${SPECIAL.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`;
}
