import { getPriority, setPriority } from 'node:os';
import { Agent, request } from 'undici';
import { GENRES, type SampledMovie, ZipfRanks } from './generated-movies.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Kinds of requests, how long their 99th percentile may be (ms), and their share of the mix (percent). */
export const KINDS = {
  'read by id': { limitMs: 5, share: 40 },
  'filtered page': { limitMs: 20, share: 20 },
  'two-word search': { limitMs: 50, share: 20 },
  'typo search': { limitMs: 150, share: 10 },
  suggest: { limitMs: 30, share: 10 },
} as const;
export type Kind = keyof typeof KINDS;

const SORTS = ['popularity', 'score', 'title', 'year', 'newest'] as const;

/** Paths of requests, below the API's prefix. */
export class CatalogRequests {
  readonly #random: SeededRandom;
  readonly #samples: readonly SampledMovie[];
  readonly #ids: readonly string[];
  readonly #ranks: ZipfRanks;

  constructor(random: SeededRandom, samples: readonly SampledMovie[], ids: readonly string[]) {
    this.#random = random;
    this.#samples = samples;
    this.#ids = ids;
    this.#ranks = new ZipfRanks(random, ids.length);
  }

  next(): { readonly kind: Kind; readonly path: string } {
    let at = this.#random.below(100);
    for (const [name, { share }] of Object.entries(KINDS)) {
      if (at < share) return { kind: name as Kind, path: this.pathOf(name as Kind) };
      at -= share;
    }
    throw new Error('the shares make 100');
  }

  pathOf(kind: Kind): string {
    const random = this.#random;
    const { title, director } = random.pick(this.#samples);
    const words = title.toLowerCase().split(' ');
    switch (kind) {
      case 'read by id':
        return `/movies/${this.#ids[this.#ranks.next()]}`;
      case 'filtered page': {
        const year = random.between(1950, 2020);
        const filter = random.below(4) === 0 ? `director=${director}` : `genre=${random.pick(GENRES)}`;
        const rest = `minScore=${random.between(2, 7)}&yearFrom=${year}&yearTo=${year + random.between(0, 20)}`;
        return `/movies?${filter}&${rest}&sort=${random.pick(SORTS)}`;
      }
      case 'two-word search':
        return `/movies?q=${random.pick(words)} ${random.below(2) === 0 ? random.pick(words) : director.split(' ')[1]}`;
      case 'typo search':
        return `/movies?q=${misspell(random, longest(words))} ${random.pick(words)}`;
      case 'suggest':
        return `/movies/suggest?q=${title.slice(0, random.between(1, Math.min(8, title.length)))}`;
    }
  }
}

/** One letter away, gone, doubled or swapped with the next. */
function misspell(random: SeededRandom, word: string): string {
  const at = random.below(Math.max(1, word.length - 1));
  const [before, letter, next, after] = [
    word.slice(0, at),
    word[at] ?? '',
    word[at + 1] ?? '',
    word.slice(at + 2),
  ];
  return random.pick([
    `${before}${next}${letter}${after}`,
    `${before}${next}${after}`,
    `${before}${letter}${letter}${next}${after}`,
    `${before}x${next}${after}`,
  ]);
}

function longest(words: readonly string[]): string {
  return words.toSorted((a, b) => b.length - a.length)[0]!;
}

export interface SentRequests {
  /** How long each took from when it was sent, ms. */
  readonly took: ReadonlyMap<Kind, readonly number[]>;
  /** How late each was sent, ms. That is this process's doing alone: it waits for no answer. */
  readonly late: readonly number[];
  /** Whether this process went before all others; otherwise its own waits for a processor are in the times. */
  readonly isFirst: boolean;
}

/** Of the generator while it measures: it stands for other machines, so that it must not wait for this one's processors. */
const NICENESS = -10;

/** Whether this process goes before all others from now on; only root may make it so. */
function goFirst(niceness: number): boolean {
  try {
    setPriority(niceness);
    return true;
  } catch {
    return false;
  }
}

/** Sends requests at a rate whatever the answers do. */
export async function sendAtRate(
  url: string,
  requests: CatalogRequests,
  { perSecond, seconds, signal }: { perSecond: number; seconds: number; signal: AbortSignal },
): Promise<SentRequests> {
  const agent = new Agent({ connections: 64, pipelining: 1 });
  const took = new Map<Kind, number[]>();
  const late: number[] = [];
  const pending = new Set<Promise<void>>();
  let failure: unknown;
  const usual = getPriority();
  const isFirst = goFirst(NICENESS);
  const startMs = performance.now();
  const send = async (dueMs: number) => {
    const { kind, path } = requests.next();
    const sentMs = performance.now();
    late.push(sentMs - dueMs);
    const { statusCode, body } = await request(`${url}/api/v1${encodeURI(path)}`, { dispatcher: agent });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`);
    const times = took.get(kind) ?? [];
    took.set(kind, times);
    times.push(performance.now() - sentMs);
  };
  try {
    for (let sent = 0; sent < perSecond * seconds && failure === undefined; ) {
      signal.throwIfAborted();
      const nowMs = performance.now();
      for (; startMs + (sent * 1000) / perSecond <= nowMs; sent++) {
        const sending: Promise<void> = send(startMs + (sent * 1000) / perSecond)
          .catch((error: unknown) => {
            failure = error;
          })
          .finally(() => pending.delete(sending));
        pending.add(sending);
      }
      // No sooner than the next one is due: to look every millisecond would take the processor from who answers.
      const restMs = startMs + (sent * 1000) / perSecond - performance.now();
      await new Promise((wake) => setTimeout(wake, Math.max(1, restMs)));
    }
    await Promise.all(pending);
  } finally {
    goFirst(usual);
    await agent.close();
  }
  if (failure !== undefined) throw failure;
  return { took, late, isFirst };
}
