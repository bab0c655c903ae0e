import { type Clock, repeat } from '../../../lib/clock/clock.ts';
import { AppError } from '../../../lib/errors/app-error.ts';
import type { Logger } from '../../../lib/logging/logger.ts';
import type { ErrorCode } from '../../errors.ts';
import { LoadingCache } from '../../loading-cache.ts';
import { SYNC_INTERVAL_MS } from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import { DocsPart } from './docs-part.ts';
import { type Segment, type Snapshot, setDead } from './segment.ts';
import { SegmentBuilder } from './segment-builder.ts';
import type { PartKind, SegmentStore, StoredIndex, StoredSegment } from './segment-store.ts';
import { TermsPart } from './terms-part.ts';

export interface CatalogIndexOptions {
  readonly store: SegmentStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes of segments that are kept in memory; beyond it they are read again. */
  readonly cacheBytesMax: number;
}

/** A message between coordinators: the version, and the movies that alone make the difference to the one before. */
export interface IndexChange {
  readonly version: number;
  readonly ids?: readonly string[] | undefined;
}

type Part = DocsPart | TermsPart;
/** Of the segment made of changes. */
const CHANGES_SEGMENT = 0;

/**
 * The segments of the database, and a small one in memory for what has changed since they were made. It follows the
 * database by notifications, and looks itself every `SYNC_INTERVAL_MS` and after every gap.
 */
export class CatalogIndex implements AsyncDisposable {
  readonly #options: CatalogIndexOptions;
  readonly #parts: LoadingCache<Part>;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #version = -1;
  #segments: readonly CachedSegment[] = [];
  #changes = new Map<string, IndexedMovie | null>();
  #changesSegment: Segment | undefined;
  #queue: Promise<void> = Promise.resolve();

  private constructor(options: CatalogIndexOptions) {
    this.#options = options;
    this.#parts = new LoadingCache({
      load: (key) => this.#loadPart(key),
      weightOf: (part) => part.weightBytes,
      maxEntries: Number.POSITIVE_INFINITY,
      maxWeight: options.cacheBytesMax,
    });
  }

  static async open(options: CatalogIndexOptions): Promise<CatalogIndex> {
    const index = new CatalogIndex(options);
    await index.sync();
    return index;
  }

  get version(): number {
    return this.#version;
  }

  /** Movies that can be found. */
  get movies(): number {
    let count = 0;
    for (const movie of this.#changes.values()) if (movie !== null) count += 1;
    for (const segment of this.#segments) count += segment.count - segment.deadCount;
    return count;
  }

  get cachedBytes(): number {
    return this.#parts.weight;
  }

  /** How many wait for a segment of their own. */
  get changes(): number {
    return this.#changes.size;
  }

  start(): void {
    const { clock, logger } = this.#options;
    this.#loop = repeat(clock, SYNC_INTERVAL_MS, this.#stop.signal, () =>
      this.#check().catch((error: unknown) =>
        logger.warn({ err: error }, 'the index of movies could not be compared with the database'),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the index is closing'));
    await this.#loop;
    await this.#queue.catch(() => {});
  }

  snapshot(): Snapshot {
    const changed = this.#changesSegment ?? this.#buildChanges();
    this.#changesSegment = changed;
    return {
      version: this.#version,
      segments: changed.count > 0 ? [changed, ...this.#segments] : this.#segments,
    };
  }

  /** Runs the query on a snapshot, and once more on the next one if a segment went away meanwhile. */
  async run<Result>(query: (snapshot: Snapshot) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await query(this.snapshot());
      } catch (error) {
        if (!(error instanceof SegmentGoneError)) throw error;
        if (attempt === 3) throw busy(error);
        await this.sync();
      }
    }
  }

  /** Takes note of a change; resolves when the index shows it. */
  apply({ version, ids }: IndexChange): Promise<void> {
    return this.#inTurn(async () => {
      if (version <= this.#version) return;
      if (ids === undefined || version !== this.#version + 1) return this.#readAll();
      const found = new Map((await this.#options.store.movies(ids)).map((movie) => [movie.id, movie]));
      for (const id of ids) this.#changes.set(id, found.get(id) ?? null);
      for (const segment of this.#segments) segment.hide(ids);
      this.#changesSegment = undefined;
      this.#version = version;
    });
  }

  /** Reads everything again that is not in memory as it is. */
  sync(): Promise<void> {
    return this.#inTurn(() => this.#readAll());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work, work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #check(): Promise<void> {
    if ((await this.#options.store.version()) !== this.#version) await this.sync();
  }

  async #readAll(): Promise<void> {
    const stored: StoredIndex = await this.#options.store.read();
    const changed = [...stored.changes.keys()];
    const before = new Map(this.#segments.map((segment) => [segment.id, segment]));
    this.#segments = stored.segments.map((segment) => new CachedSegment(segment, this.#parts));
    for (const segment of this.#segments) {
      segment.hide(changed);
      before.delete(segment.id);
    }
    for (const id of before.keys())
      for (const kind of ['docs', 'terms']) this.#parts.invalidate(`${id}/${kind}`);
    this.#changes = new Map(stored.changes);
    this.#changesSegment = undefined;
    this.#version = stored.version;
  }

  #buildChanges(): Segment {
    const builder = new SegmentBuilder();
    for (const movie of this.#changes.values()) if (movie !== null) builder.add(movie);
    const built = builder.finish();
    const docs = new DocsPart(built.docsPart);
    const terms = new TermsPart(built.termsPart);
    return {
      id: CHANGES_SEGMENT,
      count: built.docs,
      dead: () => null,
      docs: async () => docs,
      terms: async () => terms,
    };
  }

  async #loadPart(key: string): Promise<Part | null> {
    const [id, kind] = key.split('/') as [string, PartKind];
    const bytes = await this.#options.store.part(Number(id), kind);
    if (bytes === null) return null;
    return kind === 'docs' ? new DocsPart(bytes) : new TermsPart(bytes);
  }
}

class SegmentGoneError extends Error {}

/** A segment of the database, its parts in memory when they are used. */
class CachedSegment implements Segment {
  readonly id: number;
  readonly count: number;
  readonly #parts: LoadingCache<Part>;
  #dead: Uint8Array | null;
  #deadCount: number;
  #toHide: string[] = [];

  constructor(stored: StoredSegment, parts: LoadingCache<Part>) {
    this.id = stored.id;
    this.count = stored.docs;
    this.#parts = parts;
    this.#dead = stored.dead === null ? null : Uint8Array.from(stored.dead);
    this.#deadCount = stored.deadCount;
  }

  get deadCount(): number {
    return this.#deadCount;
  }

  /** The movies are elsewhere now, or nowhere. */
  hide(ids: readonly string[]): void {
    this.#toHide.push(...ids);
  }

  dead(): Uint8Array | null {
    return this.#dead;
  }

  async docs(): Promise<DocsPart> {
    const docs = (await this.#part('docs')) as DocsPart;
    for (const id of this.#toHide.splice(0)) {
      const doc = docs.find(id);
      if (doc === -1) continue;
      this.#dead ??= new Uint8Array(Math.ceil(this.count / 8));
      if ((this.#dead[doc >> 3]! & (1 << (doc & 7))) !== 0) continue;
      setDead(this.#dead, doc);
      this.#deadCount += 1;
    }
    return docs;
  }

  async terms(): Promise<TermsPart> {
    return (await this.#part('terms')) as TermsPart;
  }

  async #part(kind: PartKind): Promise<Part> {
    const key = `${this.id}/${kind}`;
    const part = this.#parts.peek(key) ?? (await this.#parts.get(key));
    if (part === null) throw new SegmentGoneError(`segment ${this.id} is no more`);
    return part;
  }
}

function busy(cause: unknown): AppError {
  return new AppError<ErrorCode>('too_busy', 'The catalog changes faster than it can be read.', {
    cause,
    retryable: true,
  });
}
