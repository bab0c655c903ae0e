import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { errnoOf } from './file-system.ts';

/** Errnos that mean that there is no room, whatever the capacity says. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);
/** Errnos that speak about the disk and not about the call. */
const FAILING = new Set(['EIO', 'EROFS', 'ENODEV', 'ENXIO', 'ESTALE', 'EUCLEAN', 'ENOTCONN']);

/** Remembers what the disk's errors say about it, and turns them into errors for callers. */
export class DiskHealth {
  #state: 'ok' | 'full' | 'failing' = 'ok';
  #cause: unknown;

  get state(): 'ok' | 'full' | 'failing' {
    return this.#state;
  }

  /** A write went through: whatever filled the disk is gone. A failing disk stays so until a restart. */
  wrote(): void {
    if (this.#state === 'full') this.#state = 'ok';
  }

  /** The disk cannot be trusted with writes any more. */
  fail(cause: unknown): AppError {
    this.#state = 'failing';
    this.#cause ??= cause;
    return failing(cause);
  }

  /** Throws `disk_failing` once the disk has failed: nothing more is written to it. */
  assertWritable(): void {
    if (this.#state === 'failing') throw failing(this.#cause);
  }

  full(cause?: unknown): AppError {
    if (this.#state === 'ok') this.#state = 'full';
    return new AppError('insufficient_storage', 'The disk under this node is full.', {
      cause,
      retryable: true,
    });
  }

  /** The error to throw on for one that a call of the operating system rejected with. */
  translate(error: unknown): unknown {
    if (isAppError(error)) return error;
    const errno = errnoOf(error);
    if (errno !== undefined && NO_ROOM.has(errno)) return this.full(error);
    if (errno !== undefined && FAILING.has(errno)) return this.fail(error);
    return error;
  }
}

function failing(cause: unknown): AppError {
  return new AppError('disk_failing', 'The disk under this node returns errors.', { cause, retryable: true });
}
