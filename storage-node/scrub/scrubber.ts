import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ScrubControl, ScrubStatus } from '../../lib/node-api/schema.ts';
import { SCRUB_RATE_DEFAULT_BYTES, SCRUB_RETRY_DELAY_MS, SCRUB_SAVE_INTERVAL_MS } from '../limits.ts';
import { Pacer } from '../pacer.ts';
import { parseChunkName } from '../repository/chunk-name.ts';
import type { ScrubStep, VideoRepository } from '../repository/video-repository.ts';
import type { ScrubLog, ScrubRecord } from './scrub-log.ts';

const POSITIONS = 2 ** 32;

export interface ScrubberOptions {
  readonly repository: Pick<VideoRepository, 'scrub'>;
  readonly log: ScrubLog;
  /** 0: off, until a `start` or `resume` says otherwise. */
  readonly bytesPerSecond: number;
  /** From the start of one pass to the start of the next; a pass that takes longer is followed at once. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Verifies everything a repository stores, pass after pass, at a bounded rate. A restart goes on where the last
 * saved record says; chunks that were looked at since are looked at again.
 */
export class Scrubber implements AsyncDisposable {
  readonly #options: ScrubberOptions;
  readonly #pacer: Pacer;
  readonly #stopped = new AbortController();
  #record: ScrubRecord;
  #savedMs: number;
  #bytesPerSecond: number;
  #paused = false;
  #startWanted = false;
  /** Wakes the loop when it sleeps between passes or is paused. */
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(options: ScrubberOptions, record: ScrubRecord) {
    this.#options = options;
    this.#record = record;
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#pacer = new Pacer(options.clock, options.bytesPerSecond);
    this.#savedMs = options.clock.monotonicMs();
  }

  /** Reads where the scrub stood. It does nothing before `run`. */
  static async open(options: ScrubberOptions): Promise<Scrubber> {
    return new Scrubber(options, await options.log.load());
  }

  /** Works until it is disposed of. */
  run(): void {
    this.#running ??= this.#loop();
  }

  get status(): ScrubStatus {
    const { passStartedMs, lastFinishedMs, lastFinishedStartedMs, unfinished } = this.#record;
    const { checkedChunks, checkedBytes, foundCorrupt } = this.#record;
    return {
      state: this.#state(),
      passStartedAt: instantOf(passStartedMs),
      lastFinishedAt: instantOf(lastFinishedMs),
      lastFinishedStartedAt: instantOf(lastFinishedStartedMs),
      progress: unfinished ? progressOf(unfinished.cursor) : Number(passStartedMs !== null),
      checkedChunks,
      checkedBytes,
      foundCorrupt,
      bytesPerSecond: this.#bytesPerSecond,
    };
  }

  #state(): ScrubStatus['state'] {
    if (this.#bytesPerSecond === 0) return 'off';
    if (this.#paused) return 'paused';
    return this.#record.unfinished || this.#startWanted ? 'running' : 'idle';
  }

  /** Takes effect before the next chunk. */
  control({ action, bytesPerSecond }: ScrubControl): void {
    if (bytesPerSecond !== undefined) this.#bytesPerSecond = bytesPerSecond;
    else if (action !== 'pause' && this.#bytesPerSecond === 0)
      this.#bytesPerSecond = SCRUB_RATE_DEFAULT_BYTES;
    this.#pacer.bytesPerSecond = this.#bytesPerSecond;
    this.#paused = action === 'pause';
    if (action === 'start') this.#startWanted = true;
    this.#wake.abort();
  }

  async #loop(): Promise<void> {
    const { logger, clock } = this.#options;
    const stopped = this.#stopped.signal;
    while (!stopped.aborted) {
      await this.#untilDue();
      if (stopped.aborted) break;
      try {
        await this.#pass();
      } catch (error) {
        if (stopped.aborted) break;
        logger.error({ err: error }, 'the scrub failed; it goes on later');
        await clock.sleep(SCRUB_RETRY_DELAY_MS, stopped).catch(() => {});
      }
    }
    if (this.#record.unfinished) await this.#save();
  }

  /** Resolves when there is a pass to begin or to go on with, or when the scrubber stops. */
  async #untilDue(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const waitMs = this.#waitMs();
      if (waitMs === 0) return;
      await this.#sleep(waitMs);
    }
  }

  #waitMs(): number {
    if (this.#paused || this.#bytesPerSecond === 0) return Number.POSITIVE_INFINITY;
    const { passStartedMs, unfinished } = this.#record;
    if (this.#startWanted || unfinished || passStartedMs === null) return 0;
    const sinceMs = this.#options.clock.nowMs() - passStartedMs;
    // A clock that was set back must not keep the next pass from coming.
    return sinceMs < 0 ? 0 : Math.max(0, this.#options.intervalMs - sinceMs);
  }

  /** Until the time is over, `control` was called, or the scrubber stops. */
  async #sleep(delayMs: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, this.#wake.signal]);
    // Timers count in 32 bits.
    await this.#options.clock.sleep(Math.min(delayMs, 2 ** 31 - 1), signal).catch(() => {});
  }

  async #pass(): Promise<void> {
    const { repository, logger } = this.#options;
    if (this.#startWanted || !this.#record.unfinished) this.#begin();
    const admit = (bytes: number) => this.#pacer.admit(bytes, this.#stopped.signal);
    const after = this.#record.unfinished?.cursor ?? undefined;
    for await (const step of repository.scrub({ after, admit })) {
      this.#take(step);
      if (this.#options.clock.monotonicMs() - this.#savedMs >= SCRUB_SAVE_INTERVAL_MS) await this.#save();
      // Not within a chunk: nothing is held meanwhile.
      if (this.#stopped.signal.aborted || this.#startWanted || this.#waitMs() > 0) return;
    }
    const { passStartedMs, checkedChunks, checkedBytes, foundCorrupt } = this.#record;
    this.#record = {
      ...this.#record,
      unfinished: null,
      lastFinishedMs: this.#options.clock.nowMs(),
      lastFinishedStartedMs: passStartedMs,
    };
    await this.#save();
    logger.info({ event: 'scrub_finished', checkedChunks, checkedBytes, foundCorrupt }, 'a scrub is done');
  }

  #begin(): void {
    this.#startWanted = false;
    this.#record = {
      ...this.#record,
      passStartedMs: this.#options.clock.nowMs(),
      unfinished: { cursor: null },
      checkedChunks: 0,
      checkedBytes: 0,
      foundCorrupt: 0,
    };
  }

  #take({ finding, bytes, cursor }: ScrubStep): void {
    const { checkedChunks, checkedBytes, foundCorrupt } = this.#record;
    this.#record = {
      ...this.#record,
      unfinished: { cursor },
      checkedChunks: checkedChunks + 1,
      checkedBytes: checkedBytes + bytes,
      foundCorrupt: foundCorrupt + (finding === 'sound' ? 0 : 1),
    };
  }

  async #save(): Promise<void> {
    this.#savedMs = this.#options.clock.monotonicMs();
    try {
      await this.#options.log.save(this.#record);
    } catch (error) {
      // Without it a restart scrubs more than it must.
      this.#options.logger.warn({ err: error }, 'the record of the scrub could not be saved');
    }
  }

  /** Stops in the middle of a chunk if need be, and saves where it stood. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('the scrub is stopped'));
    await this.#running;
  }
}

function instantOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function progressOf(cursor: string | null): number {
  return cursor === null ? 0 : (parseChunkName(cursor)?.position ?? 0) / POSITIONS;
}
