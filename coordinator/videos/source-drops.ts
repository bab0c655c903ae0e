import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { SOURCE_DROPS_BATCH, SOURCE_DROPS_INTERVAL_MS } from './limits.ts';
import type { VideoService } from './service.ts';
import type { VideoRepository } from './video-repository.ts';

export interface SourceDropsOptions {
  readonly videos: Pick<VideoRepository, 'withSourceToDrop'>;
  readonly service: Pick<VideoService, 'dropSource'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Drops the sources of videos of which everything has been made, where that is wanted. It looks for them, because the last
 * that is missing may be a rendition as well as a SHA-256. Of several coordinators one drops each; the others find that it
 * is done.
 */
export class SourceDrops implements AsyncDisposable {
  readonly #options: SourceDropsOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: SourceDropsOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, SOURCE_DROPS_INTERVAL_MS, signal, async () => {
      try {
        await this.runOnce(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'sources that may go cannot be looked up');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the dropping of sources is closed'));
    await this.#loop;
  }

  /** Returns how many sources were dropped. One that fails is passed over. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { videos, service, logger } = this.#options;
    let dropped = 0;
    for (let after: string | undefined; ; ) {
      const ids: string[] = await videos.withSourceToDrop(SOURCE_DROPS_BATCH, after);
      for (const id of ids) {
        signal.throwIfAborted();
        try {
          if (!(await service.dropSource(id))) continue;
          dropped += 1;
          logger.info({ videoId: id }, 'everything was made of a video, and its source dropped');
        } catch (error) {
          logger.warn({ err: error, videoId: id }, 'the source of a video could not be dropped now');
        }
      }
      after = ids.at(-1);
      if (after === undefined) return dropped;
    }
  }
}
