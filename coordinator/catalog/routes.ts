import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DirectRoute } from '../../lib/http/direct-routes.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import type { Credentials, Gate } from '../auth/gate.ts';
import type { Principal } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { goneSignal } from '../gone-signal.ts';
import { readJsonBody } from '../json-body.ts';
import { parseFields } from '../parse-fields.ts';
import { SECURITY_HEADERS } from '../security-headers.ts';
import { evaluateRead, matchesStrongly } from '../videos/conditional.ts';
import type { ContentCors } from '../videos/content-cors.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { Importer } from './import/importer.ts';
import type { Suggestion } from './index/suggestions.ts';
import { JSON_BODY_BYTES_MAX, MAX_AGE_S } from './limits.ts';
import type { Movie } from './movie.ts';
import type { CachedMovie } from './movie-cache.ts';
import {
  importQuerySchema,
  type MovieJson,
  movieChangesSchema,
  movieListQuerySchema,
  newMovieSchema,
  suggestQuerySchema,
} from './schema.ts';
import type { CatalogService, VersionTest } from './service.ts';

export interface CatalogRoutesDeps {
  readonly service: CatalogService;
  readonly suggest: (text: string, limit: number) => Promise<readonly Suggestion[]>;
  readonly answers: AnswerCache;
  readonly importer: Pick<Importer, 'run'>;
  /** Asked by the direct route; in the app it stands before the routes. */
  readonly gate: Pick<Gate, 'admit'>;
  readonly cors: ContentCors;
  /** Where the routes are mounted. */
  readonly basePath: string;
  /** Whether answers are the same for everybody, so that caches between may keep them. */
  readonly anonymousRead: boolean;
  readonly bodyTimeoutMs: number;
}

interface CatalogEnv {
  Bindings: HttpBindings;
  Variables: { requestId?: string; principal: Principal };
}
type CatalogContext = Context<CatalogEnv>;

/** `/movies` and `/genres`, to be mounted at `basePath` of a server of @hono/node-server. */
export function createCatalogRoutes(deps: CatalogRoutesDeps): Hono<CatalogEnv> {
  const { service } = deps;
  const app = new Hono<CatalogEnv>();

  app.get('/movies', async (c) => {
    const wanted = parseFields(movieListQuerySchema, queryOf(c));
    return await answer(deps, c, JSON.stringify(wanted), async () => {
      const { movies, nextCursor, facets } = await service.list(wanted);
      // They are JSON already.
      const items = movies.map(({ json }) => json).join(',');
      const rest = JSON.stringify({ nextCursor, facets }).slice(1);
      return `{"items":[${items}],${rest}`;
    });
  });

  app.get('/movies/suggest', async (c) => {
    const { q, limit } = parseFields(suggestQuerySchema, queryOf(c));
    return await answer(deps, c, `suggest ${limit} ${q}`, async () =>
      JSON.stringify({ items: await deps.suggest(q, limit) }),
    );
  });

  app.get('/genres', (c) =>
    answer(deps, c, 'genres', async () => {
      const items = (await service.genres()).map(({ value, count }) => ({ name: value, count }));
      return JSON.stringify({ items, nextCursor: null });
    }),
  );

  app.post('/movies', async (c) => {
    const movie = await service.create(parseFields(newMovieSchema, await bodyOf(deps, c)));
    const location = `${deps.basePath}/movies/${movie.id}`;
    return c.json(toMovieJson(movie), 201, { location, etag: etagOf(movie) });
  });

  app.post('/movies/import', async (c) => {
    const { mode } = parseFields(importQuerySchema, queryOf(c));
    return c.json(await deps.importer.run(c.env.incoming, mode, goneSignal(c.env.outgoing)));
  });

  // `createMovieRoute` takes the plain ones before they get here.
  app.get('/movies/:id', async (c) => {
    const movie = await service.find(idOf(c.req.param('id')));
    const { status, headers, body } = answerOf(deps, movie, c.env.incoming);
    return new Response(body, { status, headers });
  });

  app.put('/movies/:id', async (c) => {
    const id = idOf(c.req.param('id'));
    const fields = parseFields(newMovieSchema, await bodyOf(deps, c));
    const movie = await service.replace(id, fields, versionTestOf(c));
    return c.json(toMovieJson(movie), 200, { etag: etagOf(movie) });
  });

  app.patch('/movies/:id', async (c) => {
    const id = idOf(c.req.param('id'));
    const changes = parseFields(movieChangesSchema, await bodyOf(deps, c));
    const movie = await service.change(id, changes, versionTestOf(c));
    return c.json(toMovieJson(movie), 200, { etag: etagOf(movie) });
  });

  app.delete('/movies/:id', async (c) => {
    await service.delete(idOf(c.req.param('id')), versionTestOf(c));
    return c.body(null, 204);
  });
  return app;
}

/**
 * `GET` and `HEAD /movies/{id}` on Node's own request and response, for the usual form of targets: what is read most is
 * in memory, and the app's way to it costs several times as much.
 */
export function createMovieRoute(deps: CatalogRoutesDeps): DirectRoute {
  const base = deps.basePath.replaceAll(/[^\w/]/g, '\\$&');
  return {
    target: new RegExp(`^${base}/movies/([0-9a-fA-F-]{36})$`),
    async answer({ incoming, outgoing, requestId, match }) {
      for (const [name, value] of Object.entries(deps.cors.headersFor(incoming.headers.origin))) {
        outgoing.setHeader(name, value!);
      }
      await deps.gate.admit('GET /api/v1/movies/{id}', {
        method: 'GET',
        target: incoming.url!,
        headers: incoming.headers as Credentials['headers'],
      });
      const id = idOf(match[1]!);
      const movie = deps.service.cached(id) ?? (await deps.service.find(id));
      const { status, headers, body } = answerOf(deps, movie, incoming);
      const length = body === null ? {} : { 'content-length': Buffer.byteLength(body) };
      outgoing.writeHead(status, {
        ...SECURITY_HEADERS,
        ...headers,
        ...length,
        [REQUEST_ID_HEADER]: requestId,
      });
      outgoing.end(incoming.method === 'HEAD' ? undefined : (body ?? undefined));
    },
  };
}

export function describeMovie(movie: Movie): Pick<CachedMovie, 'etag' | 'json'> {
  return { etag: etagOf(movie), json: JSON.stringify(toMovieJson(movie)) };
}

interface Answer {
  readonly status: 200 | 304;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

function answerOf(
  deps: Pick<CatalogRoutesDeps, 'anonymousRead'>,
  { etag, json }: { readonly etag: string; readonly json: string },
  { headers: requested }: Pick<IncomingMessage, 'headers'>,
): Answer {
  const audience = deps.anonymousRead ? 'public' : 'private';
  const headers = { etag, 'cache-control': `${audience}, max-age=${MAX_AGE_S}` };
  const verdict = evaluateRead(requested, { etag });
  if (verdict === 'failed') {
    throw new AppError<ErrorCode>('precondition_failed', 'It is not in the state that the request names.');
  }
  if (verdict === 'not-modified') return { status: 304, headers, body: null };
  return { status: 200, headers: { ...headers, 'content-type': 'application/json' }, body: json };
}

async function answer(
  deps: CatalogRoutesDeps,
  c: CatalogContext,
  key: string,
  make: () => Promise<string>,
): Promise<Response> {
  const { status, headers, body } = answerOf(deps, await deps.answers.get(key, make), c.env.incoming);
  return new Response(body, { status, headers });
}

/** Values that are given more than once are lists. */
function queryOf(c: CatalogContext): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => [
      name,
      values.length === 1 ? values[0]! : values,
    ]),
  );
}

async function bodyOf(deps: CatalogRoutesDeps, c: CatalogContext): Promise<unknown> {
  const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: deps.bodyTimeoutMs };
  const body = await readJsonBody(c, limits);
  if (body === undefined) throw new AppError<ErrorCode>('empty_body', 'The request has no body.');
  return body;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What is no UUID names no movie. */
function idOf(text: string): string {
  const id = text.toLowerCase();
  if (UUID.test(id)) return id;
  throw new AppError<ErrorCode>('movie_not_found', 'There is no such movie: its id is not a UUID.');
}

function versionTestOf(c: CatalogContext): VersionTest | undefined {
  const ifMatch = c.req.header('if-match');
  return ifMatch === undefined ? undefined : (movie) => matchesStrongly(ifMatch, etagOf(movie));
}

function etagOf(movie: Movie): string {
  return `"v${movie.version}"`;
}

function toMovieJson(movie: Movie): MovieJson {
  return {
    id: movie.id,
    title: movie.title,
    originalTitle: movie.originalTitle,
    year: movie.year,
    directors: [...movie.directors],
    genres: [...movie.genres],
    score: movie.score,
    popularity: movie.popularity,
    runtimeMinutes: movie.runtimeMinutes,
    synopsis: movie.synopsis,
    poster: movie.poster,
    videoId: movie.videoId,
    createdAt: movie.createdAt.toISOString(),
    updatedAt: movie.updatedAt.toISOString(),
  };
}
