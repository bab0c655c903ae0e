import { BLOCK_BYTES } from '../../lib/bytes/checksum.ts';
import { crc32 } from '../../lib/bytes/crc32.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, assert } from '../../lib/errors/app-error.ts';
import { Capacity, EMPTY_REPOSITORY_BYTES, SpaceReservation, storedBytes } from './capacity.ts';
import { chunkName, parseCursor } from './chunk-name.ts';
import { assertSame, sumChunk } from './chunk-summing.ts';
import { assertDigest, RangeDigester } from './range-digester.ts';
import type {
  ChunkEntry,
  ChunkReading,
  ListPage,
  NewChunk,
  PieceSink,
  PutResult,
  QuarantinedChunk,
  QuarantinePage,
  RangeDigestResult,
  RepositoryStats,
  Reservation,
  ScrubStep,
  VerifyResult,
  VideoRepository,
} from './video-repository.ts';

interface StoredChunk {
  readonly entry: ChunkEntry;
  readonly blocks: Uint32Array;
  readonly bytes: Buffer;
}

/** A VideoRepository in memory, for tests and simulations. It keeps every guarantee but survival. */
export class MemoryVideoRepository implements VideoRepository {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #capacity: Capacity;
  readonly #chunks = new Map<string, StoredChunk>();
  /** Names in order; undefined after a change. */
  #sorted: string[] | undefined;
  readonly #setAsideChunks = new Map<string, QuarantinedChunk>();
  #lastQuarantinedAt: number | null = null;
  #reads = 0;

  constructor(options: { capacityBytes: number; clock: Pick<Clock, 'nowMs'> }) {
    this.#clock = options.clock;
    this.#capacity = new Capacity(options.capacityBytes);
    this.#capacity.add(EMPTY_REPOSITORY_BYTES);
  }

  async reserve(lengthBytes: number): Promise<Reservation> {
    return this.#capacity.reserve(storedBytes(lengthBytes));
  }

  async put(chunk: NewChunk): Promise<PutResult> {
    const { checksum, blocks } = sumChunk(chunk);
    const { position, id, bytes } = chunk;
    const { length } = bytes;
    const name = chunkName(position, id);
    const present = this.#chunks.get(name);
    if (present) {
      assertSame(present.entry, { length, checksum });
      return 'exists';
    }
    const reservation = chunk.reservation ?? this.#capacity.reserve(storedBytes(length));
    assert(reservation instanceof SpaceReservation, 'reservations come from reserve()');
    const entry = { position, id, length, checksum, createdAt: this.#clock.nowMs() };
    this.#chunks.set(name, { entry, blocks, bytes: Buffer.from(bytes) });
    this.#sorted = undefined;
    reservation.use(storedBytes(length));
    this.#forgetSetAside(name);
    return 'created';
  }

  async stat(position: number, id: string): Promise<ChunkEntry | undefined> {
    this.#reads++;
    return this.#chunks.get(chunkName(position, id))?.entry;
  }

  async open(position: number, id: string): Promise<ChunkReading | undefined> {
    this.#reads++;
    const chunk = this.#chunks.get(chunkName(position, id));
    return chunk && { entry: chunk.entry, send: (first, last, sink) => this.#send(chunk, first, last, sink) };
  }

  async #send(chunk: StoredChunk, first: number, last: number, sink: PieceSink): Promise<void> {
    const { entry, bytes } = chunk;
    assert(0 <= first && first <= last && last < entry.length, 'a range lies within its chunk');
    if (this.#chunks.get(chunkName(entry.position, entry.id)) !== chunk) {
      throw new AppError('chunk_not_found', 'The chunk was deleted.');
    }
    for (let start = first - (first % BLOCK_BYTES); start <= last; start += BLOCK_BYTES) {
      if (!isSound(chunk, start)) {
        if (this.#setAside(chunk)) {
          throw new AppError('chunk_corrupt', 'The stored bytes are damaged; the chunk was set aside.');
        }
        throw new AppError('chunk_not_found', 'The chunk was deleted.');
      }
      await sink(bytes.subarray(Math.max(first, start), Math.min(last + 1, start + BLOCK_BYTES)));
    }
  }

  async delete(position: number, id: string): Promise<boolean> {
    const chunk = this.#chunks.get(chunkName(position, id));
    if (chunk) this.#remove(chunk);
    return chunk !== undefined;
  }

  async list(
    first: number,
    last: number,
    options: { after?: string | undefined; limit: number },
  ): Promise<ListPage> {
    const { after, limit } = options;
    if (after !== undefined) parseCursor(after);
    const following = this.#within(first, last).filter(
      ({ position, id }) => after === undefined || chunkName(position, id) > after,
    );
    const entries = following.slice(0, limit);
    const end = entries[entries.length - 1];
    return { entries, next: end && following.length > limit ? chunkName(end.position, end.id) : null };
  }

  async digest(first: number, last: number): Promise<RangeDigestResult> {
    return digestOf(this.#within(first, last));
  }

  async drop(
    first: number,
    last: number,
    { digest }: { digest?: string | undefined } = {},
  ): Promise<{ deleted: number; bytes: number }> {
    const entries = this.#within(first, last);
    if (digest !== undefined) assertDigest(digestOf(entries), digest);
    for (const { position, id } of entries) this.#remove(this.#chunks.get(chunkName(position, id))!);
    return { deleted: entries.length, bytes: entries.reduce((sum, { length }) => sum + length, 0) };
  }

  async quarantine(position: number, id: string, reason: string): Promise<boolean> {
    const chunk = this.#chunks.get(chunkName(position, id));
    return chunk !== undefined && this.#setAside(chunk, reason);
  }

  async verify(position: number, id: string): Promise<VerifyResult> {
    const chunk = this.#chunks.get(chunkName(position, id));
    if (!chunk) return 'absent';
    for (let start = 0; start < chunk.entry.length; start += BLOCK_BYTES) {
      if (!isSound(chunk, start)) return this.#setAside(chunk) ? 'quarantined' : 'absent';
    }
    return 'ok';
  }

  async *scrub({
    after = '',
    admit,
  }: {
    after: string | undefined;
    admit: (bytes: number) => Promise<void>;
  }): AsyncGenerator<ScrubStep> {
    for (const { position, id, length } of this.#within(0, 0xffff_ffff)) {
      const cursor = chunkName(position, id);
      if (cursor <= after) continue;
      await admit(length);
      const result = await this.verify(position, id);
      if (result !== 'absent') yield { finding: result === 'ok' ? 'sound' : result, bytes: length, cursor };
    }
  }

  async listQuarantine({
    after = '',
    limit,
  }: {
    after?: string | undefined;
    limit: number;
  }): Promise<QuarantinePage> {
    if (after !== '') parseCursor(after);
    const following = [...this.#setAsideChunks.keys()].filter((name) => name > after).sort();
    const chunks = following.slice(0, limit).map((name) => this.#setAsideChunks.get(name)!);
    return { chunks, next: following.length > limit ? following[limit - 1]! : null };
  }

  async removeQuarantined(position: number, id: string): Promise<boolean> {
    return this.#forgetSetAside(chunkName(position, id));
  }

  #forgetSetAside(name: string): boolean {
    this.#capacity.remove(this.#setAsideChunks.get(name)?.length ?? 0);
    return this.#setAsideChunks.delete(name);
  }

  stats(): RepositoryStats {
    return {
      capacityBytes: this.#capacity.limitBytes,
      usedBytes: this.#capacity.usedBytes,
      chunkCount: this.#chunks.size,
      quarantinedCount: this.#setAsideChunks.size,
      lastQuarantinedAt: this.#lastQuarantinedAt,
      lostCount: 0,
      disk: 'ok',
    };
  }

  get indexReads(): number {
    return this.#reads;
  }

  /** Flips a bit of a stored chunk, as a failing disk would. */
  damage(position: number, id: string, offset: number): void {
    const chunk = this.#chunks.get(chunkName(position, id));
    assert(chunk, 'there is a chunk to damage');
    chunk.bytes[offset]! ^= 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chunks.clear();
  }

  #within(first: number, last: number): ChunkEntry[] {
    this.#sorted ??= [...this.#chunks.keys()].sort();
    const entries = this.#sorted
      .map((name) => this.#chunks.get(name)!.entry)
      .filter(({ position }) => position >= first && position <= last);
    this.#reads += entries.length;
    return entries;
  }

  #setAside(chunk: StoredChunk, reason = 'a block does not have its checksum'): boolean {
    if (!this.#remove(chunk)) return false;
    const { position, id, length } = chunk.entry;
    const quarantinedAt = Math.max(this.#clock.nowMs(), (this.#lastQuarantinedAt ?? -1) + 1);
    this.#lastQuarantinedAt = quarantinedAt;
    this.#forgetSetAside(chunkName(position, id));
    this.#setAsideChunks.set(chunkName(position, id), { position, id, length, reason, quarantinedAt });
    this.#capacity.add(length);
    return true;
  }

  /** False when that chunk is gone, even if another one has its name. */
  #remove(chunk: StoredChunk): boolean {
    const name = chunkName(chunk.entry.position, chunk.entry.id);
    if (this.#chunks.get(name) !== chunk) return false;
    this.#chunks.delete(name);
    this.#sorted = undefined;
    this.#capacity.remove(storedBytes(chunk.entry.length));
    return true;
  }
}

function digestOf(entries: readonly ChunkEntry[]): RangeDigestResult {
  const digester = new RangeDigester();
  for (const entry of entries) digester.add(entry);
  return digester.result();
}

/** `start` is a block border. */
function isSound({ bytes, blocks }: StoredChunk, start: number): boolean {
  return crc32(bytes.subarray(start, start + BLOCK_BYTES)) === blocks[start / BLOCK_BYTES];
}
