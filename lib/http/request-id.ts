import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Gives every request an id (the caller's, if it is short and plain) and says it in the response. */
export function requestId(): MiddlewareHandler<{ Variables: { requestId: string } }> {
  return async (context, next) => {
    const given = context.req.header(REQUEST_ID_HEADER);
    const id = given !== undefined && /^[\w.-]{8,64}$/.test(given) ? given : randomUUID();
    context.set('requestId', id);
    context.header(REQUEST_ID_HEADER, id);
    await next();
  };
}
