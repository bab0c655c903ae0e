import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import { AppError, isAppError } from '../errors/app-error.ts';
import { PROBLEM_CONTENT_TYPE, type Problem, problemOf } from '../errors/problem.ts';
import type { Logger } from '../logging/logger.ts';
import { REQUEST_ID_HEADER } from './request-id.ts';

export interface ProblemHandlers {
  /** The problem document for an error; logs what is not the client's doing. */
  describe(error: unknown, request: { id: string; method: string; path: string }): ProblemAnswer;
  /** For `app.onError`: answers with a problem document; logs what is not the client's doing. */
  onError(error: Error, context: Context): Response;
  /** For `app.notFound`. */
  notFound(context: Context): Response;
  /** The same for a request that no app sees. Where an answer has begun, the connection is cut instead. */
  answer(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse, requestId: string): void;
}

/** The code `not_found` must be in the server's table. */
export function createProblemHandlers(
  logger: Logger,
  statusOf: (code: string) => number | undefined,
  /** How a path may be logged. */
  loggedPath: (path: string) => string = (path) => path,
): ProblemHandlers {
  const describe: ProblemHandlers['describe'] = (error, request) => {
    const problem = problemOf(error, statusOf, request.id);
    if (problem.status >= 500) {
      const level = problem.code === 'internal' ? 'error' : 'warn';
      logger[level](
        { err: error, requestId: request.id, method: request.method, path: loggedPath(request.path) },
        'request failed',
      );
    }
    return documentOf(problem, isAppError(error) && error.retryable);
  };
  const onError = (error: Error, context: Context) => {
    const { method, path } = context.req;
    const document = describe(error, { id: String(context.get('requestId') ?? ''), method, path });
    return new Response(document.body, { status: document.status, headers: document.headers });
  };
  return {
    describe,
    onError,
    notFound: (context) =>
      onError(
        new AppError('not_found', `Nothing answers ${context.req.method} ${context.req.path}.`),
        context,
      ),
    answer(error, { method = '', url = '' }, outgoing, requestId) {
      const document = describe(error, { id: requestId, method, path: url.split('?', 1)[0]! });
      if (outgoing.headersSent) {
        outgoing.destroy();
        return;
      }
      const headers = { ...document.headers, 'content-length': Buffer.byteLength(document.body) };
      outgoing.writeHead(document.status, headers).end(document.body);
    },
  };
}

/** A problem document as it is sent. */
export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function documentOf(problem: Problem, retryable: boolean): ProblemAnswer {
  const { headers: extra, ...body } = problem as Problem & { headers?: Record<string, string> };
  const headers = {
    'content-type': PROBLEM_CONTENT_TYPE,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    [REQUEST_ID_HEADER]: problem.requestId,
    ...(retryable && problem.status === 503 ? { 'retry-after': '2' } : {}),
    ...extra,
  };
  return { status: problem.status, headers, body: JSON.stringify(body) };
}
