import { type AppError, isAppError } from './app-error.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** A problem document (RFC 9457) with this project's two extra members, `code` and `requestId`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly [extra: string]: unknown;
}

/**
 * Turns any thrown value into a problem document. Only an AppError speaks to the client; everything else is
 * an `internal` 500 whose cause stays in the log.
 */
export function problemOf(
  error: unknown,
  statusOf: (code: string) => number | undefined,
  requestId: string,
): Problem {
  const known = isAppError(error) ? statusOf(error.code) : undefined;
  if (known === undefined) {
    return {
      type: problemType('internal'),
      title: titleOf('internal'),
      status: 500,
      detail: 'The server met an unexpected condition. The request id identifies it in the log.',
      code: 'internal',
      requestId,
    };
  }
  const { code, message, details } = error as AppError;
  return {
    ...details,
    type: typeof details.type === 'string' ? details.type : problemType(code),
    title: titleOf(code),
    status: known,
    detail: message,
    code,
    requestId,
  };
}

function problemType(code: string): string {
  return `urn:orbitvids:problem:${code}`;
}

/** `range_not_satisfiable` becomes "Range not satisfiable". */
function titleOf(code: string): string {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
