import type { Clock } from '../../lib/clock/clock.ts';
import { hashString } from '../../lib/hashring/xxhash32.ts';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';

/** Who asks for a segment, as far as that can be told: many viewers may have one address, and one grant many players. */
export interface Viewer {
  readonly address: string;
  /** What it shows: a user's id, a grant; or that it shows none. */
  readonly credential: string;
  readonly userAgent: string;
}

/**
 * How often a viewer was sent to a node for a segment a moment ago. Two generations take turns: a redirect is remembered for half
 * of `REDIRECT_MEMORY_MS` at least and all of it at most, or less when there are more than fit.
 *
 * A viewer and a segment are remembered as 32 bits, so that neither long headers nor many viewers take memory. With
 * `REMEMBERED_REDIRECTS_MAX` of them one redirect in 32,768 is taken for a second one, which leads to another node.
 */
export class RecentRedirects {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #seed: number;
  #now = new Map<number, number>();
  #before = new Map<number, number>();
  #sinceMs = 0;

  /** Nobody is to know the seed, or they could choose a user agent that is taken for somebody else's. */
  constructor(clock: Pick<Clock, 'monotonicMs'>, seed: number) {
    this.#clock = clock;
    this.#seed = seed;
  }

  /** What stands in `count` and `add` for the viewer's wish for the bytes from an offset of an object on. */
  keyOf({ address, credential, userAgent }: Viewer, objectId: string, offset: number): number {
    const viewer = hashString(userAgent, hashString(credential, hashString(address, this.#seed)));
    // Signed 32-bit numbers are no objects to V8.
    return hashString(objectId, (viewer + offset) >>> 0) | 0;
  }

  count(key: number): number {
    this.#age();
    return this.#now.get(key) ?? this.#before.get(key) ?? 0;
  }

  /** Once more than `before` times. */
  add(key: number, before: number): void {
    this.#now.set(key, before + 1);
    if (this.#now.size >= REMEMBERED_REDIRECTS_MAX / 2) this.#turn();
  }

  #age(): void {
    const agedMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (agedMs < REDIRECT_MEMORY_MS / 2) return;
    this.#turn();
    if (agedMs >= REDIRECT_MEMORY_MS) this.#before.clear();
  }

  #turn(): void {
    this.#before = this.#now;
    this.#now = new Map();
    this.#sinceMs = this.#clock.monotonicMs();
  }
}
