import { AppError } from '../../../lib/errors/app-error.ts';
import type { ErrorCode } from '../../errors.ts';
import { LoadingCache } from '../../loading-cache.ts';
import type { IndexedMovie } from '../movie.ts';
import type { IdsCopy } from './doc-ids.ts';
import { DocsPart } from './docs-part.ts';
import { type Segment, type Snapshot, setDead } from './segment.ts';
import { type BuiltSegment, buildSegment } from './segment-builder.ts';
import type { PartKind, SegmentStore, StoredIndex, StoredSegment } from './segment-store.ts';
import { TermsPart } from './terms-part.ts';

/** What the index is read from. */
export type IndexSource = Pick<SegmentStore, 'read' | 'movies' | 'part'>;

export interface CatalogIndexOptions {
  readonly source: IndexSource;
  /** Bytes of segments that are kept in memory; beyond it they are read again. */
  readonly cacheBytesMax: number;
}

/** A message between coordinators: the version, and the movies that alone make the difference to the one before. */
export interface IndexChange {
  readonly version: number;
  readonly ids?: readonly string[] | undefined;
}

/** A segment of the database. */
export interface SegmentSummary {
  readonly id: number;
  /** Movies in it, dead ones too. */
  readonly count: number;
  readonly deadCount: number;
}

/** The ids of a segment's movies, and which of them are elsewhere now, or nowhere. */
export interface SegmentIds {
  readonly ids: IdsCopy;
  readonly dead: Uint8Array | null;
}

/** Movies that wait in memory for a segment of their own, and where segments have what they were before. */
export interface ChangedPlaces {
  readonly ids: readonly string[];
  /** Every segment of the index, and the movies' numbers in it. */
  readonly segments: ReadonlyMap<number, readonly number[]>;
}

type Part = DocsPart | TermsPart;
const KINDS: readonly PartKind[] = ['docs', 'terms'];
/** Of the segment made of changes. */
const CHANGES_SEGMENT = 0;

/** The segments of the database, and a small one in memory for what has changed since they were made. */
export class CatalogIndex {
  readonly #options: CatalogIndexOptions;
  readonly #parts: LoadingCache<Part>;
  #version = -1;
  #segments: readonly CachedSegment[] = [];
  #changes = new Map<string, IndexedMovie | null>();
  /** Of the changes those that are no deletions. */
  #changedMovies = 0;
  #changesSegment: Segment | undefined;
  #queue: Promise<void> = Promise.resolve();
  #warming: Promise<void> | undefined;
  #largestPartBytes = 0;

  /** It is empty until it is synced. */
  constructor(options: CatalogIndexOptions) {
    this.#options = options;
    this.#parts = new LoadingCache({
      load: (key) => this.#loadPart(key),
      weightOf: (part) => part.weightBytes,
      maxEntries: Number.POSITIVE_INFINITY,
      maxWeight: options.cacheBytesMax,
    });
  }

  get version(): number {
    return this.#version;
  }

  /** Movies that can be found. */
  get movies(): number {
    let count = this.#changedMovies;
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
      const found = new Map((await this.#options.source.movies(ids)).map((movie) => [movie.id, movie]));
      for (const id of ids) this.#changes.set(id, found.get(id) ?? null);
      for (const segment of this.#segments) segment.hide(ids);
      this.#setChanges(this.#changes);
      this.#version = version;
    });
  }

  /** The parts of a segment that is about to be announced: they need not be read. */
  take(id: number, { docsPart, termsPart }: BuiltSegment): void {
    this.#parts.put(keyOf(id, 'docs'), new DocsPart(docsPart));
    this.#parts.put(keyOf(id, 'terms'), new TermsPart(termsPart));
  }

  /** Reads what is not in memory, one part at a time, for as long as there is room. */
  warm(): Promise<void> {
    this.#warming ??= this.#loadRest().finally(() => {
      this.#warming = undefined;
    });
    return this.#warming;
  }

  summaries(): readonly SegmentSummary[] {
    return this.#segments.map(({ id, count, deadCount }) => ({ id, count, deadCount }));
  }

  /** Null when there is no such segment. */
  async idsOf(id: number): Promise<SegmentIds | null> {
    return await this.run(async () => {
      const segment = this.#segments.find((candidate) => candidate.id === id);
      if (segment === undefined) return null;
      const { ids } = await segment.docs();
      return { ids: ids.toCopy(), dead: segment.dead()?.slice() ?? null };
    });
  }

  async changedPlaces(): Promise<ChangedPlaces> {
    return await this.run(async () => {
      const ids = [...this.#changes.keys()];
      const segments = new Map<number, readonly number[]>();
      for (const segment of this.#segments) {
        const docs = await segment.docs();
        const places = ids.map((id) => docs.ids.find(id)).filter((doc) => doc !== -1);
        segments.set(segment.id, places);
      }
      return { ids, segments };
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

  async #readAll(): Promise<void> {
    const stored: StoredIndex = await this.#options.source.read();
    const changed = [...stored.changes.keys()];
    const before = new Map(this.#segments.map((segment) => [segment.id, segment]));
    this.#segments = stored.segments.map((segment) => new CachedSegment(segment, this.#parts));
    for (const segment of this.#segments) {
      segment.hide(changed);
      before.delete(segment.id);
    }
    for (const id of before.keys()) for (const kind of KINDS) this.#parts.invalidate(keyOf(id, kind));
    this.#setChanges(new Map(stored.changes));
    this.#version = stored.version;
  }

  #setChanges(changes: Map<string, IndexedMovie | null>): void {
    this.#changes = changes;
    this.#changesSegment = undefined;
    this.#changedMovies = 0;
    for (const movie of changes.values()) if (movie !== null) this.#changedMovies += 1;
  }

  async #loadRest(): Promise<void> {
    let segments: readonly CachedSegment[];
    do {
      segments = this.#segments;
      for (const { id } of segments) {
        for (const kind of KINDS) {
          // What would push out something else is left to whoever needs it.
          if (this.#parts.weight + this.#largestPartBytes > this.#options.cacheBytesMax) return;
          await this.#parts.get(keyOf(id, kind));
        }
      }
    } while (segments !== this.#segments);
  }

  #buildChanges(): Segment {
    const built = buildSegment([...this.#changes.values()].filter((movie) => movie !== null));
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
    const bytes = await this.#options.source.part(Number(id), kind);
    if (bytes === null) return null;
    const part = kind === 'docs' ? new DocsPart(bytes) : new TermsPart(bytes);
    this.#largestPartBytes = Math.max(this.#largestPartBytes, part.weightBytes);
    return part;
  }
}

function keyOf(segment: number, kind: PartKind): string {
  return `${segment}/${kind}`;
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
      const doc = docs.ids.find(id);
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
    const key = keyOf(this.id, kind);
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
