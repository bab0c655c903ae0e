import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Notifications } from '../database/notifications.ts';
import type { ErrorCode } from '../errors.ts';
import { LOCK_POLL_MS, LOCK_RENEWAL_MS, LOCK_TTL_MS, LOCK_WAIT_MAX_MS } from './limits.ts';
import { takenOver } from './upload-errors.ts';
import type { StoredUpload, UploadRepository } from './upload-repository.ts';

const CHANNEL = 'uploads';

export interface UploadLocksOptions {
  readonly repository: Pick<UploadRepository, 'acquire' | 'find' | 'renew' | 'release'>;
  readonly notifications: Notifications;
  /** UUID of this process. */
  readonly holder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An upload that this request has to itself, on all coordinators. */
export interface HeldUpload {
  /** As it was when the request got it. */
  readonly upload: StoredUpload;
  /**
   * Aborts with `upload_taken_over` when somebody else wants it, when this process stops, or when it is lost. The holder
   * should store what it has and release it.
   */
  readonly signal: AbortSignal;
  /** To be called in the end. Never rejects. */
  release(): Promise<void>;
}

/**
 * Who may add to an upload: one request at a time, on all coordinators. A lock is a lease in the upload's row, with a fence
 * that keeps a late holder from storing anything. A request that finds it taken asks the holder to let go, because a client
 * that comes again has given up its request before, whatever the server thinks of it; a holder that died is waited for no
 * longer than its lease.
 */
export class UploadLocks implements AsyncDisposable {
  readonly #options: UploadLocksOptions;
  readonly #held = new Map<
    string,
    { readonly fence: number; readonly controller: AbortController; isAsked: boolean }
  >();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #stop = new AbortController();
  #isStopping = false;
  #loop: Promise<void> | undefined;
  #unsubscribe = () => {};

  private constructor(options: UploadLocksOptions) {
    this.#options = options;
  }

  static async open(options: UploadLocksOptions): Promise<UploadLocks> {
    const locks = new UploadLocks(options);
    locks.#unsubscribe = await options.notifications.subscribe(CHANNEL, (payload) => locks.#hear(payload));
    locks.#loop = repeat(options.clock, LOCK_RENEWAL_MS, locks.#stop.signal, () => locks.runOnce());
    return locks;
  }

  /**
   * Waits until the upload is this request's. Null: there is no such upload, or it has expired. Rejects with `upload_locked`
   * when its holder does not let go, or with the signal's reason.
   */
  async acquire(id: string, signal: AbortSignal): Promise<HeldUpload | null> {
    const { repository, holder } = this.#options;
    return await this.#untilFree(id, signal, async () => {
      if (this.#isStopping) throw takenOver('This server stops; the upload goes on at another one.');
      const upload = await repository.acquire(id, holder, LOCK_TTL_MS);
      if (upload !== null) return this.#hold(upload);
      const found = await repository.find(id);
      return found === null || found.isExpired ? null : undefined;
    });
  }

  /** The upload at a moment when nobody adds to it; null when there is none. Rejects like `acquire`. */
  async settled(id: string, signal: AbortSignal): Promise<StoredUpload | null> {
    return await this.#untilFree(id, signal, async () => {
      const upload = await this.#options.repository.find(id);
      return upload?.isHeld ? undefined : upload;
    });
  }

  /** Asks all requests of this process to let go, and takes no others. */
  letGo(): void {
    this.#isStopping = true;
    for (const { controller } of this.#held.values()) {
      controller.abort(takenOver('This server stops; the upload goes on at another one.'));
    }
  }

  /** Renews every lock once. Never rejects: while the database is away, they run out. */
  async runOnce(): Promise<void> {
    const { repository, logger } = this.#options;
    const held = [...this.#held].map(([id, { fence }]) => ({ id, fence }));
    try {
      for (const id of await repository.renew(held, LOCK_TTL_MS)) {
        const fence = held.find((one) => one.id === id)!.fence;
        const lost = this.#held.get(id);
        if (lost?.fence === fence) lost.controller.abort(takenOver('The upload was taken over.'));
      }
    } catch (error) {
      logger.warn({ err: error }, 'locks of uploads could not be renewed');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letGo();
    this.#stop.abort(new Error('the locks are closed'));
    this.#unsubscribe();
    await this.#loop;
  }

  #hold(upload: StoredUpload): HeldUpload {
    const { id, fence } = upload;
    const own = { fence, controller: new AbortController(), isAsked: false };
    this.#held.set(id, own);
    return {
      upload,
      signal: own.controller.signal,
      release: async () => {
        if (this.#held.get(id) === own) this.#held.delete(id);
        const { repository, notifications, logger } = this.#options;
        try {
          await repository.release({ id, fence });
          if (own.isAsked) await notifications.publish(CHANNEL, `free ${id}`);
        } catch (error) {
          logger.warn({ err: error, uploadId: id }, 'the lock of an upload runs out');
        }
      },
    };
  }

  /** Tries until there is an answer, asking the holder to let go in between. */
  async #untilFree<Result>(
    id: string,
    signal: AbortSignal,
    attempt: () => Promise<Result | undefined>,
  ): Promise<Result> {
    const { clock, notifications } = this.#options;
    const deadlineMs = clock.monotonicMs() + LOCK_WAIT_MAX_MS;
    for (;;) {
      signal.throwIfAborted();
      const freed = this.#freed(id);
      try {
        const result = await attempt();
        if (result !== undefined) return result;
        if (clock.monotonicMs() >= deadlineMs) {
          throw new AppError<ErrorCode>(
            'upload_locked',
            'Another request adds to this upload and does not end.',
            {
              retryable: true,
            },
          );
        }
        await notifications.publish(CHANNEL, `ask ${id}`);
        await freed.wait(LOCK_POLL_MS);
      } finally {
        freed.cancel();
      }
    }
  }

  /** Begun before the look at the database, so that no message is missed. */
  #freed(id: string): { wait(limitMs: number): Promise<void>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(resolve));
    return {
      wait: async (limitMs) => {
        const cancel = this.#options.clock.after(limitMs, resolve);
        await promise.finally(cancel);
      },
      cancel: () => {
        waiting.delete(resolve);
        if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id);
      },
    };
  }

  #hear(payload: string): void {
    const [what, id = ''] = payload.split(' ');
    if (what === 'free') for (const wake of this.#waiting.get(id) ?? []) wake();
    const held = what === 'ask' ? this.#held.get(id) : undefined;
    if (held === undefined) return;
    held.isAsked = true;
    held.controller.abort(takenOver('Another request came for this upload, and this one ended for it.'));
  }
}
