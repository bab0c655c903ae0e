import type { Context } from 'hono';
import { AppError, isAppError } from '../errors/app-error.ts';
import { PROBLEM_CONTENT_TYPE, type Problem, problemOf } from '../errors/problem.ts';
import type { Logger } from '../logging/logger.ts';
import { REQUEST_ID_HEADER } from './request-id.ts';

export interface ProblemHandlers {
  /** For `app.onError`: answers with a problem document; logs what is not the client's doing. */
  onError(error: Error, context: Context): Response;
  /** For `app.notFound`. */
  notFound(context: Context): Response;
}

/** The code `not_found` must be in the server's table. */
export function createProblemHandlers(
  logger: Logger,
  statusOf: (code: string) => number | undefined,
): ProblemHandlers {
  const onError = (error: Error, context: Context) => {
    const id = String(context.get('requestId') ?? '');
    const problem = problemOf(error, statusOf, id);
    if (problem.status >= 500) {
      const level = problem.code === 'internal' ? 'error' : 'warn';
      logger[level](
        { err: error, requestId: id, method: context.req.method, path: context.req.path },
        'request failed',
      );
    }
    return problemResponse(problem, isAppError(error) && error.retryable);
  };
  return {
    onError,
    notFound: (context) =>
      onError(
        new AppError('not_found', `Nothing answers ${context.req.method} ${context.req.path}.`),
        context,
      ),
  };
}

function problemResponse(problem: Problem, retryable: boolean): Response {
  const headers = new Headers({
    'content-type': PROBLEM_CONTENT_TYPE,
    'cache-control': 'no-store',
    [REQUEST_ID_HEADER]: problem.requestId,
  });
  if (retryable && problem.status === 503) headers.set('retry-after', '2');
  const { headers: extra, ...body } = problem as Problem & { headers?: Record<string, string> };
  for (const [name, value] of Object.entries(extra ?? {})) headers.set(name, value);
  return new Response(JSON.stringify(body), { status: problem.status, headers });
}
