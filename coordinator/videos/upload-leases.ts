import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { LEASE_BATCH_LENGTH } from './limits.ts';

export interface UploadLease {
  /** Aborts when the object is no longer open (`upload_expired`) or with the signal given to `hold`. */
  readonly signal: AbortSignal;
  /** Stops renewing. Idempotent. */
  release(): void;
}

/**
 * Keeps the objects that this coordinator writes open: a writer that died stops renewing, and its object
 * expires. `runOnce` is to be called every third of the lease.
 */
export class UploadLeases {
  readonly leaseMs: number;
  readonly #objects: Pick<ObjectRepository, 'renew'>;
  readonly #logger: Logger;
  readonly #held = new Map<string, AbortController>();

  constructor(deps: { objects: Pick<ObjectRepository, 'renew'>; leaseMs: number; logger: Logger }) {
    this.#objects = deps.objects;
    this.leaseMs = deps.leaseMs;
    this.#logger = deps.logger;
  }

  /** Uploads under way. */
  get size(): number {
    return this.#held.size;
  }

  /** The object must be open already. */
  hold(objectId: string, parent: AbortSignal): UploadLease {
    const controller = new AbortController();
    const onAbort = () => controller.abort(parent.reason);
    if (parent.aborted) onAbort();
    else parent.addEventListener('abort', onAbort, { once: true });
    this.#held.set(objectId, controller);
    return {
      signal: controller.signal,
      release: () => {
        parent.removeEventListener('abort', onAbort);
        this.#held.delete(objectId);
      },
    };
  }

  /** Renews every held lease once. Never rejects: while the database is away the leases just get shorter. */
  async runOnce(signal?: AbortSignal): Promise<void> {
    const ids = [...this.#held.keys()];
    for (let start = 0; start < ids.length && !signal?.aborted; start += LEASE_BATCH_LENGTH) {
      try {
        const lost = await this.#objects.renew(ids.slice(start, start + LEASE_BATCH_LENGTH), this.leaseMs);
        for (const id of lost) this.#held.get(id)?.abort(expired());
      } catch (error) {
        this.#logger.warn({ err: error }, 'upload leases could not be renewed');
      }
    }
  }
}

function expired(): AppError {
  return new AppError('upload_expired', 'The upload took longer than its lease could be renewed.', {
    retryable: true,
  });
}
