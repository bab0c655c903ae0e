import { hash } from 'node:crypto';
import type { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { OldestKeys } from '../../lib/oldest-keys/oldest-keys.ts';
import { CACHED_ANSWERS_MAX, STALE_MS_MAX } from './limits.ts';

export interface CachedAnswer {
  readonly json: string;
  readonly etag: string;
}

interface Entry extends CachedAnswer {
  readonly version: number;
  readonly madeAtMs: number;
}

export interface AnswerCacheOptions {
  readonly clock: Clock;
  /** Of the catalog. */
  readonly version: () => number;
  /** Is told of what is kept: a collection copies it, and everybody waits for that. */
  readonly garbage: Pick<YoungGarbage, 'add'>;
}

/** Answers to queries, each good for one version of the catalog and `STALE_MS_MAX`; those who ask at the same time share. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #version: () => number;
  readonly #garbage: Pick<YoungGarbage, 'add'>;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>();
  readonly #oldest = new OldestKeys(this.#entries);
  readonly #pending = new Map<string, Promise<Entry>>();
  /** How often everything became void. */
  #clearings = 0;
  hits = 0;
  misses = 0;

  constructor(options: AnswerCacheOptions) {
    this.#clock = options.clock;
    this.#version = options.version;
    this.#garbage = options.garbage;
  }

  /** `make` resolves with JSON. */
  async get(key: string, make: () => Promise<string>): Promise<CachedAnswer> {
    const version = this.#version();
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      if (entry.version === version && this.#clock.monotonicMs() - entry.madeAtMs < STALE_MS_MAX) {
        this.#entries.set(key, entry);
        this.hits += 1;
        return entry;
      }
    }
    this.misses += 1;
    const shared = `${version} ${key}`;
    let pending = this.#pending.get(shared);
    if (pending === undefined) {
      const made = this.#make(key, version, make).finally(() => {
        if (this.#pending.get(shared) === made) this.#pending.delete(shared);
      });
      pending = made;
      this.#pending.set(shared, pending);
    }
    return await pending;
  }

  /** Something was changed that has no version. What is being made is answered to those who asked before, and not kept. */
  clear(): void {
    this.#clearings += 1;
    this.#entries.clear();
    this.#pending.clear();
  }

  async #make(key: string, version: number, make: () => Promise<string>): Promise<Entry> {
    const madeAtMs = this.#clock.monotonicMs();
    const clearings = this.#clearings;
    const json = await make();
    const etag = `"${hash('sha1', json, 'base64url')}"`;
    const entry = { json, etag, version, madeAtMs };
    if (this.#version() === version && this.#clearings === clearings) {
      this.#entries.set(key, entry);
      if (this.#entries.size > CACHED_ANSWERS_MAX) this.#entries.delete(this.#oldest.next()!);
      this.#garbage.add(json.length);
    }
    return entry;
  }
}
