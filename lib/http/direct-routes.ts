import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Soon } from '../soon/soon.ts';
import type { DirectHandler } from './http-server.ts';
import type { ProblemHandlers } from './problem-handlers.ts';
import { REQUEST_ID_HEADER, requestIdOf } from './request-id.ts';

/**
 * A route on Node's own request and response, for the few requests that carry the bytes: an app's request, response,
 * context and promises cost as much CPU time as a good part of a megabyte.
 */
export interface DirectRoute {
  /** Whether it takes a request whose target matches; every GET and HEAD, and no other, where this is left out. */
  takes?(incoming: IncomingMessage): boolean;
  /** Matches the targets (path and query as received) that it takes. */
  readonly target: RegExp;
  /** Throws or rejects with the error to answer with, as long as nothing was sent. */
  answer(request: DirectRequest): Soon<void>;
}

export interface DirectRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string;
  /** Of the target. */
  readonly match: RegExpExecArray;
}

/** Takes the requests that one of the routes matches, and does for them what an app's middleware does for the rest. */
export function createDirectHandler(
  routes: readonly DirectRoute[],
  options: {
    readonly problems: Pick<ProblemHandlers, 'answer'>;
    /** Called with every request that is taken. */
    readonly onRequest?: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  },
): DirectHandler {
  const { problems, onRequest } = options;
  const answer = (
    route: DirectRoute,
    match: RegExpExecArray,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ) => {
    const requestId = requestIdOf(incoming.headers[REQUEST_ID_HEADER]);
    onRequest?.(incoming, outgoing);
    const fail = (error: unknown) => problems.answer(error, incoming, outgoing, requestId);
    try {
      const answered = route.answer({ incoming, outgoing, requestId, match });
      if (answered instanceof Promise) answered.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  return (incoming, outgoing) => {
    const isRead = incoming.method === 'GET' || incoming.method === 'HEAD';
    for (const route of routes) {
      if (!(route.takes?.(incoming) ?? isRead)) continue;
      const match = route.target.exec(incoming.url ?? '');
      if (!match) continue;
      answer(route, match, incoming, outgoing);
      return true;
    }
    return false;
  };
}
