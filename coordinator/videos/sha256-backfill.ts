import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectDigester } from '../chunks/object-digester.ts';
import type { Leases } from '../database/leases.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { SHA256_BACKFILL_BATCH, SHA256_BACKFILL_INTERVAL_MS, SHA256_BACKFILL_LEASE_MS } from './limits.ts';
import type { VideoService } from './service.ts';
import type { Video, VideoRepository } from './video-repository.ts';

export interface Sha256BackfillOptions {
  readonly videos: Pick<VideoRepository, 'withoutSha256'>;
  readonly service: Pick<VideoService, 'fillSha256'>;
  readonly objects: Pick<ObjectRepository, 'manifest'>;
  readonly digester: Pick<ObjectDigester, 'sha256'>;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const SHA256_LEASE = 'sha256-backfill';

/**
 * Gives a SHA-256 to every video that has none: those whose bytes passed no coordinator. One coordinator at a time does
 * it, one video after the other; what it was at when it died another one begins anew.
 */
export class Sha256Backfill implements AsyncDisposable {
  readonly #options: Sha256BackfillOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: Sha256BackfillOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, SHA256_BACKFILL_INTERVAL_MS, signal, async () => {
      try {
        await this.runOnce(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'not every video has a SHA-256 yet');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the computation of SHA-256 values is closed'));
    await this.#loop;
  }

  /** Returns how many videos got theirs; 0 as well when another coordinator does it. One that fails is passed over. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { videos, leases } = this.#options;
    let filled = 0;
    let page = await videos.withoutSha256(SHA256_BACKFILL_BATCH);
    if (page.length === 0 || !(await leases.acquire(SHA256_LEASE, SHA256_BACKFILL_LEASE_MS))) return 0;
    try {
      while (page.length > 0) {
        for (const video of page) {
          signal.throwIfAborted();
          if (await this.#fill(video, signal)) filled += 1;
        }
        page = await videos.withoutSha256(SHA256_BACKFILL_BATCH, page.at(-1)!.id);
      }
      return filled;
    } finally {
      await leases.release(SHA256_LEASE).catch(() => {});
    }
  }

  async #fill({ id, objectId }: Video, signal: AbortSignal): Promise<boolean> {
    const { service, objects, digester, leases, logger } = this.#options;
    const keepLease = async () => {
      if (!(await leases.renew(SHA256_LEASE, SHA256_BACKFILL_LEASE_MS))) throw new LeaseLost();
    };
    try {
      await keepLease();
      const manifest = await objects.manifest(objectId);
      if (manifest === null) return false;
      await service.fillSha256(id, await digester.sha256(manifest.chunks, signal, keepLease));
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LeaseLost) throw error;
      logger.warn({ err: error, videoId: id }, 'the SHA-256 of a video could not be computed now');
      return false;
    }
  }
}

class LeaseLost extends Error {
  constructor() {
    super('another coordinator computes SHA-256 values now');
  }
}
