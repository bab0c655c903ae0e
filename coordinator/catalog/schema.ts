import { z } from 'zod';
import {
  DIRECTORS_MAX,
  GENRE_LENGTH_MAX,
  GENRES_MAX,
  LIST_LENGTH_DEFAULT,
  LIST_LENGTH_MAX,
  NAME_LENGTH_MAX,
  POSTER_LENGTH_MAX,
  QUERY_LENGTH_MAX,
  RUNTIME_MINUTES_MAX,
  SUGGESTIONS_DEFAULT,
  SUGGESTIONS_MAX,
  SYNOPSIS_LENGTH_MAX,
  TITLE_LENGTH_MAX,
  YEAR_MAX,
  YEAR_MIN,
} from './limits.ts';
import { normalizeText } from './text.ts';

const LINE_CONTROLS = /\p{Cc}/u;
const NO_CONTROLS = 'control characters are not allowed';
const TEXT_CONTROLS = /[^\P{Cc}\t\n\r]/u;

const line = (lengthMax: number) => z.string().trim().min(1).max(lengthMax).refine(isLine, NO_CONTROLS);

function isLine(text: string): boolean {
  return text.isWellFormed() && !LINE_CONTROLS.test(text);
}

/** Names without those that differ in case, accents and blanks only. */
const names = (lengthMax: number, countMax: number) =>
  z.array(line(lengthMax)).max(countMax).transform(withoutSame);

function withoutSame(names: string[]): string[] {
  if (names.length < 2) return names;
  return [...new Map(names.toReversed().map((name) => [normalizeText(name), name])).values()].reverse();
}

const hundredths = (max: number) =>
  z
    .number()
    .min(0)
    .max(max)
    .overwrite((value) => Math.round(value * 100) / 100);

const fields = {
  title: line(TITLE_LENGTH_MAX),
  originalTitle: line(TITLE_LENGTH_MAX).nullable(),
  year: z.int().min(YEAR_MIN).max(YEAR_MAX).nullable(),
  directors: names(NAME_LENGTH_MAX, DIRECTORS_MAX),
  genres: names(GENRE_LENGTH_MAX, GENRES_MAX),
  /** 0 to 10, kept to two decimals. */
  score: hundredths(10).nullable(),
  /** 0 to 100, kept to two decimals. */
  popularity: hundredths(100).nullable(),
  runtimeMinutes: z.int().min(1).max(RUNTIME_MINUTES_MAX).nullable(),
  synopsis: z
    .string()
    .trim()
    .min(1)
    .max(SYNOPSIS_LENGTH_MAX)
    .refine((text) => text.isWellFormed() && !TEXT_CONTROLS.test(text), NO_CONTROLS)
    .nullable(),
  poster: z
    .url({ protocol: /^https?$/ })
    .max(POSTER_LENGTH_MAX)
    .refine(isLine, NO_CONTROLS)
    .nullable(),
  /** A stored video. */
  videoId: z.uuid().toLowerCase().nullable(),
};

/** The body of `POST /movies` and `PUT /movies/{id}`: what is left out is empty. */
export const newMovieSchema = z.strictObject({
  title: fields.title,
  originalTitle: fields.originalTitle.default(null),
  year: fields.year.default(null),
  directors: fields.directors.default([]),
  genres: fields.genres.default([]),
  score: fields.score.default(null),
  popularity: fields.popularity.default(null),
  runtimeMinutes: fields.runtimeMinutes.default(null),
  synopsis: fields.synopsis.default(null),
  poster: fields.poster.default(null),
  videoId: fields.videoId.default(null),
});

/** The body of `PATCH /movies/{id}` (RFC 7396): what is left out stays, null empties. */
export const movieChangesSchema = z.strictObject({
  title: fields.title.optional(),
  originalTitle: fields.originalTitle.optional(),
  year: fields.year.optional(),
  directors: fields.directors.nullable().optional(),
  genres: fields.genres.nullable().optional(),
  score: fields.score.optional(),
  popularity: fields.popularity.optional(),
  runtimeMinutes: fields.runtimeMinutes.optional(),
  synopsis: fields.synopsis.optional(),
  poster: fields.poster.optional(),
  videoId: fields.videoId.optional(),
});
export type MovieChanges = z.infer<typeof movieChangesSchema>;

const onOrOff = z
  .enum(['true', 'false', '1', '0'])
  .transform((text) => text === 'true' || text === '1')
  .default(false);

/** The query of `GET /movies`. */
export const movieListQuerySchema = z.strictObject({
  q: z
    .string()
    .max(QUERY_LENGTH_MAX)
    .default('')
    .describe(
      'Words of title, director, genre and synopsis; the last one may be unfinished unless a blank follows.',
    ),
  genre: z
    .union([line(GENRE_LENGTH_MAX), z.array(line(GENRE_LENGTH_MAX)).max(GENRES_MAX)])
    .optional()
    .describe('May be repeated: the movie has all of them.'),
  director: line(NAME_LENGTH_MAX)
    .optional()
    .describe('The whole name, in any case and with or without accents.'),
  minScore: z.coerce.number().min(0).max(10).optional().describe('At least this score.'),
  maxScore: z.coerce.number().min(0).max(10).optional().describe('At most this score.'),
  yearFrom: z.coerce.number().int().min(0).max(9999).optional().describe('Of this year or later.'),
  yearTo: z.coerce.number().int().min(0).max(9999).optional().describe('Of this year or earlier.'),
  sort: z
    .enum(['relevance', 'popularity', 'score', 'title', 'year', 'newest'])
    .optional()
    .describe('By default `relevance` with `q` and `popularity` without.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIST_LENGTH_MAX)
    .default(LIST_LENGTH_DEFAULT)
    .describe('How many movies at most.'),
  cursor: z.string().max(1000).optional().describe('`nextCursor` of the page before, of the same query.'),
  facets: onOrOff.describe('Whether to count genres, years and directors of everything that matches.'),
});
export type MovieListQuery = z.infer<typeof movieListQuerySchema>;

export const suggestQuerySchema = z.strictObject({
  q: z.string().max(QUERY_LENGTH_MAX).describe('What has been typed so far.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(SUGGESTIONS_MAX)
    .default(SUGGESTIONS_DEFAULT)
    .describe('How many suggestions at most.'),
});

export const importQuerySchema = z.strictObject({
  mode: z
    .enum(['atomic', 'keep-going'])
    .default('keep-going')
    .describe('`atomic`: all or nothing. `keep-going`: what can be taken.'),
});

/** A movie as the API shows it. */
export const movieSchema = z.object({
  id: z.uuid(),
  title: z.string(),
  originalTitle: z.string().nullable(),
  year: z.int().nullable(),
  directors: z.array(z.string()),
  genres: z.array(z.string()),
  score: z.number().nullable(),
  popularity: z.number().nullable(),
  runtimeMinutes: z.int().nullable(),
  synopsis: z.string().nullable(),
  poster: z.string().nullable(),
  videoId: z.uuid().nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type MovieJson = z.infer<typeof movieSchema>;

const facetSchema = <Value extends z.ZodType>(value: Value) =>
  z.array(z.object({ value, count: z.int().positive() }));

export const facetsSchema = z.object({
  genres: facetSchema(z.string()),
  years: facetSchema(z.int()),
  directors: facetSchema(z.string()),
  /** Whether directors were counted among the most popular matches only, there being too many. */
  directorsSampled: z.boolean(),
});

export const movieListSchema = z.object({
  items: z.array(movieSchema),
  nextCursor: z.string().nullable(),
  /** When they were asked for. */
  facets: facetsSchema.optional(),
});

export const suggestionsSchema = z.object({
  items: z.array(
    z.object({
      kind: z.enum(['movie', 'director']),
      text: z.string(),
      /** Of the movie. */
      movieId: z.uuid().optional(),
      year: z.int().nullable().optional(),
    }),
  ),
});

export const genreListSchema = z.object({
  items: z.array(z.object({ name: z.string(), count: z.int().positive() })),
  nextCursor: z.null(),
});

export const importReportSchema = z.object({
  mode: z.enum(['atomic', 'keep-going']),
  added: z.int(),
  updated: z.int(),
  unchanged: z.int(),
  /** Made or changed by a person, and left as they are. */
  kept: z.int(),
  /** Further mentions of a movie of the same file, not looked at. */
  duplicates: z.int(),
  rejected: z.int(),
  /** The first ones. */
  problems: z.array(
    z.object({
      /** Counted from 1. */
      line: z.int(),
      /** Where the movie begins, counted from 0. */
      byte: z.int(),
      code: z.enum(['invalid_json', 'invalid_movie', 'duplicate']),
      field: z.string(),
      value: z.string(),
      message: z.string(),
    }),
  ),
});
export type ImportReport = z.infer<typeof importReportSchema>;
