import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';

export const REQUEST_ID_HEADER = 'x-request-id';

/** The id of a request: the caller's, if it is short and plain. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{8,64}$/.test(given) ? given : randomUUID();
}

/** Gives every request an id and says it in the response. */
export function requestId(): MiddlewareHandler<{ Variables: { requestId: string } }> {
  return async (context, next) => {
    const id = requestIdOf(context.req.header(REQUEST_ID_HEADER));
    context.set('requestId', id);
    context.header(REQUEST_ID_HEADER, id);
    await next();
  };
}
