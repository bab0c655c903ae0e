import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { STREAMS_MAX, STREAMS_PER_CLIENT_MAX, STREAMS_RETRY_S } from './limits.ts';

/** How many streams are open here, and whose they are. */
export class StreamCounts {
  readonly #byClient = new Map<string, number>();
  #total = 0;

  /** Counts one more until the returned function is called. Throws `too_many_requests` or `too_busy`. */
  enter(client: string): () => void {
    const own = this.#byClient.get(client) ?? 0;
    const headers = { 'retry-after': String(STREAMS_RETRY_S) };
    if (own >= STREAMS_PER_CLIENT_MAX) {
      throw new AppError<ErrorCode>('too_many_requests', `${own} streams of yours are open already.`, {
        details: { headers },
      });
    }
    if (this.#total >= STREAMS_MAX) {
      throw new AppError<ErrorCode>('too_busy', 'Too many streams are open; try again.', {
        details: { headers },
      });
    }
    this.#total += 1;
    this.#byClient.set(client, own + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#total -= 1;
      const left = (this.#byClient.get(client) ?? 1) - 1;
      if (left === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, left);
    };
  }
}
