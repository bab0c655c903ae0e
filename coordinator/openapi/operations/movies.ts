import {
  genreListSchema,
  importQuerySchema,
  importReportSchema,
  movieChangesSchema,
  movieListQuerySchema,
  movieListSchema,
  movieSchema,
  newMovieSchema,
  suggestionsSchema,
  suggestQuerySchema,
} from '../../catalog/schema.ts';
import { type Description, group } from '../description.ts';
import { MOVIE, MOVIE_FIELDS, MOVIE_ID } from '../examples.ts';

/** Everything that is read may be kept for a moment. */
const READ = {
  requestHeaders: ['If-None-Match', 'If-Match'],
  status: 200,
  answerHeaders: ['ETag', 'Cache-Control'],
  also: { 304: { description: 'The client has it', answerHeaders: ['ETag', 'Cache-Control'] } },
} as const satisfies Partial<Description>;

const FACETS = {
  genres: [{ value: 'Fantasy', count: 1 }],
  years: [{ value: 1939, count: 1 }],
  directors: [{ value: 'Victor Fleming', count: 1 }],
  directorsSampled: false,
};

export const MOVIES = group({
  tag: 'Movies',
  description:
    'The catalog: everybody finds movies, administrators change them. A movie may play a stored video; neither takes the other with it when it is deleted.',
  operations: {
    'GET /api/v1/movies': {
      ...READ,
      summary: 'Find movies',
      details:
        'All words of `q` count, in any order. When no movie has them, they may be misspelt, and then one of them may be missing. Filters combine.',
      query: movieListQuerySchema,
      queryExample: { q: 'wizzard of os', facets: 'true' },
      answer: movieListSchema,
      answerExample: { items: [MOVIE], nextCursor: null, facets: FACETS },
      errors: ['too_busy'],
    },
    'POST /api/v1/movies': {
      summary: 'Add a movie',
      details: 'What is left out is empty. Genres are written as they were when the first movie had them.',
      body: newMovieSchema,
      bodyExample: MOVIE_FIELDS,
      status: 201,
      answer: movieSchema,
      answerExample: MOVIE,
      answerHeaders: ['Location', 'ETag'],
      errors: ['empty_body'],
    },
    'GET /api/v1/movies/suggest': {
      ...READ,
      summary: 'Titles and directors for what has been typed so far',
      query: suggestQuerySchema,
      queryExample: { q: 'wiz' },
      answer: suggestionsSchema,
      answerExample: {
        items: [{ kind: 'movie', text: MOVIE.title, movieId: MOVIE_ID, year: MOVIE.year }],
      },
      errors: ['too_busy'],
    },
    'POST /api/v1/movies/import': {
      summary: 'Add and update many movies',
      details:
        'A JSON array or one movie a line, streamed; in this API’s own form, in that of vega-datasets’ `movies.json`, or with the keys `99popularity`, `director`, `genre`, `imdb_score` and `name`. A movie is known again by title, year and directors; what a person has changed is left alone. Problems carry a `report`, too.',
      query: importQuerySchema,
      queryExample: { mode: 'atomic' },
      body: ['application/json', 'application/x-ndjson'],
      status: 200,
      answer: importReportSchema,
      answerExample: {
        ...{ mode: 'keep-going', added: 245, updated: 0, unchanged: 0, kept: 0, duplicates: 0, rejected: 1 },
        problems: [
          {
            ...{ line: 12, byte: 2048, code: 'invalid_movie', field: 'score', value: '11' },
            message: 'Too big: expected number to be <=10',
          },
        ],
      },
      errors: [
        'invalid_json',
        'incomplete_body',
        'request_timeout',
        'import_running',
        'conflict',
        'body_too_large',
        'import_rejected',
        'too_busy',
      ],
    },
    'GET /api/v1/movies/{id}': {
      ...READ,
      summary: 'A movie',
      pathExample: { id: MOVIE_ID },
      answer: movieSchema,
      answerExample: MOVIE,
      errors: ['movie_not_found'],
    },
    'PUT /api/v1/movies/{id}': {
      summary: 'Replace a movie',
      pathExample: { id: MOVIE_ID },
      requestHeaders: ['If-Match'],
      body: newMovieSchema,
      bodyExample: MOVIE_FIELDS,
      status: 200,
      answer: movieSchema,
      answerExample: MOVIE,
      answerHeaders: ['ETag'],
      errors: ['empty_body', 'movie_not_found'],
    },
    'PATCH /api/v1/movies/{id}': {
      summary: 'Change a movie',
      details: 'Merges (RFC 7396): what is left out stays, `null` empties.',
      pathExample: { id: MOVIE_ID },
      requestHeaders: ['If-Match'],
      body: movieChangesSchema,
      bodyExample: { score: 8.4, poster: null },
      status: 200,
      answer: movieSchema,
      answerExample: { ...MOVIE, score: 8.4, poster: null },
      answerHeaders: ['ETag'],
      errors: ['empty_body', 'movie_not_found'],
    },
    'DELETE /api/v1/movies/{id}': {
      summary: 'Delete a movie',
      details: 'The video that it plays stays.',
      pathExample: { id: MOVIE_ID },
      requestHeaders: ['If-Match'],
      status: 204,
      errors: ['movie_not_found'],
    },
    'GET /api/v1/genres': {
      ...READ,
      summary: 'Genres and how many movies each has',
      answer: genreListSchema,
      answerExample: { items: [{ name: 'Fantasy', count: 1 }], nextCursor: null },
      errors: ['too_busy'],
    },
  },
});
