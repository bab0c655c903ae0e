import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { createProblemHandlers } from '../lib/http/problem-handlers.ts';
import { REQUEST_ID_HEADER, requestId } from '../lib/http/request-id.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { statusOf } from './errors.ts';
import type { Metrics } from './system/metrics.ts';

export const API_PREFIX = '/api/v1';

interface ServerEnv {
  Bindings: HttpBindings;
  Variables: { requestId: string };
}

export interface ServerOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Origins whose scripts may use the API; `['*']` for all. */
  readonly corsOrigins: readonly string[];
  /** Mounted at the root. */
  readonly system: Hono;
  /** Mounted below the API prefix. */
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly features: readonly Hono<any>[];
}

/** The whole HTTP surface: what every request meets, in order, before a feature's own routes. */
export function createServerApp(options: ServerOptions): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>();
  const problems = createProblemHandlers(options.logger, statusOf);
  app.onError(problems.onError);
  app.notFound(problems.notFound);

  app.use(requestId());
  app.use(async (context, next) => {
    const { outgoing } = context.env;
    const endTimer = options.metrics.requestSeconds.startTimer({ method: context.req.method });
    outgoing.once('close', () => endTimer({ status: outgoing.statusCode }));
    await next();
  });
  const allowOrigins = cors({
    origin: options.corsOrigins.includes('*') ? '*' : [...options.corsOrigins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposeHeaders: ['ETag', 'Location', 'Retry-After', REQUEST_ID_HEADER],
    maxAge: 86_400,
  });
  // A video's bytes say themselves who may read them.
  app.use(`${API_PREFIX}/*`, (context, next) =>
    context.req.path.endsWith('/content') ? next() : allowOrigins(context, next),
  );

  app.route('/', options.system);
  for (const feature of options.features) app.route(API_PREFIX, feature);
  return app;
}
