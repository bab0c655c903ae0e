import { newMovieSchema } from '../schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the API shows of a movie and nobody sets. */
const SHOWN_ONLY = new Set(['id', 'createdAt', 'updatedAt']);
const OWN_FIELDS = new Set(Object.keys(newMovieSchema.shape));
/** So many votes count as the highest popularity. */
const VOTES_MAX = 1_000_000;

/** What a record says in this catalog's own words, and what its fields are called there. */
export interface MappedRecord {
  readonly movie: unknown;
  /** Names of the source by ours; the same ones when empty. */
  readonly names: Readonly<Record<string, string>>;
}

const IMDB_NAMES = {
  title: 'name',
  directors: 'director',
  genres: 'genre',
  score: 'imdb_score',
  popularity: '99popularity',
};
const VEGA_NAMES = {
  title: 'Title',
  year: 'Release Date',
  directors: 'Director',
  genres: 'Major Genre',
  score: 'IMDB Rating',
  popularity: 'IMDB Votes',
  runtimeMinutes: 'Running Time min',
};

/**
 * Takes three kinds of records: this catalog's own; those with `name`, `99popularity`, `director`, `genre` and
 * `imdb_score`; and those of the `movies.json` of vega-datasets. Whether what they say can be taken is for the schema.
 */
export function mapRecord(record: unknown): MappedRecord {
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    return { movie: record, names: {} };
  const json = record as Json;
  if ('Title' in json) return { movie: fromVega(json), names: VEGA_NAMES };
  if ('name' in json || '99popularity' in json || 'imdb_score' in json) {
    return { movie: fromImdb(json), names: IMDB_NAMES };
  }
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) if (!SHOWN_ONLY.has(name)) own[name] = value;
  return { movie: own, names: {} };
}

function fromImdb(json: Json): Json {
  const { name, director, genre, imdb_score: score, '99popularity': popularity, ...rest } = json;
  return {
    ...onlyOwn(rest),
    title: textOf(name),
    directors: listOf(director),
    genres: listOf(genre),
    score: score ?? null,
    popularity: popularity ?? null,
  };
}

function fromVega(json: Json): Json {
  const votes = json['IMDB Votes'];
  return {
    title: textOf(json.Title),
    year: yearOf(json['Release Date']),
    directors: listOf(json.Director),
    genres: listOf(json['Major Genre']),
    score: json['IMDB Rating'] ?? null,
    popularity: typeof votes === 'number' && votes >= 0 ? popularityOf(votes) : (votes ?? null),
    runtimeMinutes: json['Running Time min'] ?? null,
  };
}

/** Of the other sources only what has our names is looked at further. */
function onlyOwn(json: Json): Json {
  return Object.fromEntries(Object.entries(json).filter(([name]) => OWN_FIELDS.has(name)));
}

/** Some titles are numbers: 300, 1776. */
function textOf(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value;
}

function listOf(value: unknown): unknown {
  if (value === null || value === undefined || value === '') return [];
  return Array.isArray(value) ? value : [value];
}

/** `Jun 12 1998` and whatever else ends, or begins, with a year; what is none is for the schema to refuse. */
function yearOf(value: unknown): unknown {
  if (value === null || value === undefined || value === '') return null;
  const year =
    typeof value === 'string' ? (/\b(\d{4})$/.exec(value) ?? /^(\d{4})\b/.exec(value))?.[1] : undefined;
  return year === undefined ? value : Number(year);
}

/** Each ten times as many votes are as much more. */
function popularityOf(votes: number): number {
  return Math.min(100, (Math.log10(votes + 1) / Math.log10(VOTES_MAX)) * 100);
}
