/**
 * The one error type that crosses module borders. `code` is stable and machine-readable; each server maps
 * its codes to statuses in one exhaustive table. `retryable` says that the same request may succeed later.
 */
export interface AppErrorOptions {
  readonly cause?: unknown;
  readonly retryable?: boolean;
  /** Extra members of the problem document (RFC 9457 section 3.2); must be safe to show to the client. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export class AppError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

export function isAppError(error: unknown): error is AppError {
  return error instanceof AppError;
}

/** For programmer errors: a broken assumption, never bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
