import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Leases } from '../database/leases.ts';
import { RECORD_BACKFILL_BATCH, RECORD_BACKFILL_LEASE_MS, RECORD_BACKFILL_RETRY_MS } from './limits.ts';
import type { VideoRecords } from './video-records.ts';
import type { VideoRepository } from './video-repository.ts';

export interface RecordBackfillOptions {
  readonly videos: Pick<VideoRepository, 'find' | 'withoutRecord' | 'lock'>;
  readonly records: Pick<VideoRecords, 'replace'>;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const BACKFILL_LEASE = 'record-backfill';

/**
 * Gives a record to every video that has none: those from before there were records. One coordinator at a time does
 * it; two would only do the same work twice. Goes on until a whole round has found none, and looks again after a
 * while, because a coordinator of an earlier version may still take uploads.
 */
export class RecordBackfill implements AsyncDisposable {
  readonly #options: RecordBackfillOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: RecordBackfillOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, RECORD_BACKFILL_RETRY_MS, signal, async () => {
      try {
        await this.runOnce(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'not every video has a record yet');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the backfill of records is closed'));
    await this.#loop;
  }

  /** Returns how many records were made; 0 as well when another coordinator does it. Rejects at the first that fails. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { videos, leases, logger } = this.#options;
    let made = 0;
    if (!(await leases.acquire(BACKFILL_LEASE, RECORD_BACKFILL_LEASE_MS))) return 0;
    try {
      for (let after: string | undefined; ; ) {
        const ids: string[] = await videos.withoutRecord(RECORD_BACKFILL_BATCH, after);
        for (const id of ids) {
          signal.throwIfAborted();
          if (await this.#record(id)) made += 1;
        }
        after = ids.at(-1);
        if (after === undefined) return made;
        if (!(await leases.renew(BACKFILL_LEASE, RECORD_BACKFILL_LEASE_MS))) return made;
      }
    } finally {
      if (made > 0) logger.info({ made }, 'videos that had no record have one now');
      await leases.release(BACKFILL_LEASE).catch(() => {});
    }
  }

  async #record(id: string): Promise<boolean> {
    const { videos, records } = this.#options;
    const video = await videos.find(id);
    if (video === null) return false;
    // One that changes meanwhile gets its record by that.
    const isStill = (transaction: Parameters<VideoRepository['lock']>[0]) =>
      videos.lock(transaction, id, video.version);
    return (await records.replace(video, isStill)) !== null;
  }
}
