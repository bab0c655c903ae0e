import type { ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { createDirectHandler, type DirectRoute } from '../lib/http/direct-routes.ts';
import type { HttpServerOptions } from '../lib/http/http-server.ts';
import { createProblemHandlers } from '../lib/http/problem-handlers.ts';
import { REQUEST_ID_HEADER, requestId } from '../lib/http/request-id.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { Gate } from './auth/gate.ts';
import type { Principal } from './auth/principal.ts';
import { withoutGrant } from './auth/url-grants.ts';
import { statusOf } from './errors.ts';
import { securityHeaders } from './security-headers.ts';
import type { Metrics } from './system/metrics.ts';

export const API_PREFIX = '/api/v1';

interface ServerEnv {
  Bindings: HttpBindings;
  Variables: { requestId: string; principal: Principal };
}

export interface ServerOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Other origins whose scripts may use the API; `['*']` for all. */
  readonly corsOrigins: readonly string[];
  /** Headers of features' answers that such scripts may see. */
  readonly exposedHeaders: readonly string[];
  /** What answers to `OPTIONS` say, by the beginning of the path below the API prefix. */
  readonly discovery: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Stands before everything that is mounted. */
  readonly gate: Gate;
  /** Mounted at the root. */
  readonly system: readonly Hono[];
  /** Mounted below the API prefix. */
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly features: readonly Hono<any>[];
  /** Asked before the app. */
  readonly direct: readonly DirectRoute[];
}

export interface ServerApp extends Required<Pick<HttpServerOptions, 'fetch' | 'direct'>> {
  /** Every handler by its method and Hono's pattern, as `GET /api/v1/videos/:id`; the gate's are among them. */
  readonly routes: readonly string[];
}

/** The whole HTTP surface: what every request meets, in order, before a feature's own routes. */
export function createServerApp(options: ServerOptions): ServerApp {
  const app = new Hono<ServerEnv>();
  const problems = createProblemHandlers(options.logger, statusOf, withoutGrant);
  app.onError(problems.onError);
  app.notFound(problems.notFound);

  app.use(requestId());
  app.use(securityHeaders());
  app.use(async (context, next) => {
    observeRequest(options.metrics, context.req.method, context.env.outgoing);
    await next();
  });
  const allowOrigins = cors({
    origin: options.corsOrigins.includes('*') ? '*' : [...options.corsOrigins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposeHeaders: ['ETag', 'Location', 'Retry-After', REQUEST_ID_HEADER, ...options.exposedHeaders],
    maxAge: 86_400,
  });
  for (const [path, headers] of Object.entries(options.discovery)) {
    const discover: MiddlewareHandler = async (context, next) => {
      await next();
      if (context.req.method !== 'OPTIONS') return;
      for (const [name, value] of Object.entries(headers)) context.header(name, value);
    };
    app.use(`${API_PREFIX}${path}/*`, discover);
  }
  // A video's bytes say themselves who may read them.
  app.use(`${API_PREFIX}/*`, (context, next) =>
    context.req.path.endsWith('/content') ? next() : allowOrigins(context, next),
  );

  options.gate.mount(app);
  for (const routes of options.system) app.route('/', routes);
  for (const feature of options.features) app.route(API_PREFIX, feature);

  const direct = createDirectHandler(options.direct, {
    problems,
    onRequest: (incoming, outgoing) => observeRequest(options.metrics, incoming.method!, outgoing),
  });
  return { fetch: app.fetch, direct, routes: app.routes.map(({ method, path }) => `${method} ${path}`) };
}

function observeRequest(metrics: Metrics, method: string, outgoing: ServerResponse): void {
  const startedMs = performance.now();
  outgoing.on('close', () =>
    metrics.requestTimes.observe(method, outgoing.statusCode, (performance.now() - startedMs) / 1000),
  );
}
