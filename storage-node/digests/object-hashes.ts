import { createHash, type Hash } from 'node:crypto';
import type { ByteClient } from '../../lib/byte-client/byte-client.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Hashed } from '../../lib/node-api/schema.ts';
import { CHECKSUM_HEADER, chunkTarget, formatChecksum } from '../../lib/node-api/targets.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import { DIGEST_SESSION_IDLE_MS, DIGEST_SESSIONS_MAX, SIGNATURE_LIFETIME_S } from '../limits.ts';
import type { VideoRepository } from '../repository/video-repository.ts';

/** The next chunk of an object, and the base URLs of the nodes that may have it. */
export interface HashedChunk {
  readonly position: number;
  readonly id: string;
  readonly length: number;
  readonly checksum: number;
  readonly holders: readonly string[];
}

export interface ObjectHashesOptions {
  readonly repository: VideoRepository;
  /** Reads from other nodes. */
  readonly client: Pick<ByteClient, 'request'>;
  readonly key: SigningKey;
  readonly clock: Clock;
}

interface Session {
  hash: Hash;
  at: number;
  busy: boolean;
  cancelExpiry: () => void;
}

/**
 * SHA-256 values of objects, computed chunk by chunk: this node's own chunks from its disk, the others from the nodes
 * that have them. The state of a running hash lives in this process's memory alone, because the native implementation,
 * which takes a seventh of the time of those that can be saved, does not give it away; whoever asks begins anew when it
 * is lost.
 */
export class ObjectHashes {
  readonly #options: ObjectHashesOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: ObjectHashesOptions) {
    this.#options = options;
  }

  /**
   * Hashes the chunks behind the first `at` bytes. Rejects with `session_lost` when the session is not at that place,
   * with `chunk_not_found` when no holder has a good copy of a chunk, with `too_busy`, or with the signal's reason; then
   * the session stays where it was.
   */
  async add(
    sessionId: string,
    { at, chunks, last }: { at: number; chunks: readonly HashedChunk[]; last: boolean },
    signal: AbortSignal,
  ): Promise<Hashed> {
    const session = at === 0 ? this.#begin(sessionId) : this.#sessions.get(sessionId);
    if (session === undefined || session.at !== at || session.busy) {
      throw new AppError('session_lost', 'This node has no hash of the object up to there. Begin anew.');
    }
    session.busy = true;
    session.cancelExpiry();
    try {
      let hash = session.hash;
      let hashedBytes = at;
      for (const chunk of chunks) {
        signal.throwIfAborted();
        hash = await this.#addChunk(hash, chunk, signal);
        hashedBytes += chunk.length;
      }
      session.hash = hash;
      session.at = hashedBytes;
      if (last) this.#sessions.delete(sessionId);
      return { at: hashedBytes, sha256: hash.copy().digest('hex') };
    } finally {
      session.busy = false;
      if (this.#sessions.get(sessionId) === session) this.#expireLater(sessionId, session);
    }
  }

  #begin(sessionId: string): Session {
    const before = this.#sessions.get(sessionId);
    if (before?.busy === true || (before === undefined && this.#sessions.size >= DIGEST_SESSIONS_MAX)) {
      throw new AppError('too_busy', 'This node computes as many hashes as it may.', { retryable: true });
    }
    before?.cancelExpiry();
    const session: Session = { hash: createHash('sha256'), at: 0, busy: false, cancelExpiry: () => {} };
    this.#sessions.set(sessionId, session);
    return session;
  }

  #expireLater(sessionId: string, session: Session): void {
    session.cancelExpiry = this.#options.clock.after(DIGEST_SESSION_IDLE_MS, () => {
      if (this.#sessions.get(sessionId) === session) this.#sessions.delete(sessionId);
    });
  }

  /** Returns a hash that has the chunk; a copy that fails half-way leaves the given one as it was. */
  async #addChunk(hash: Hash, chunk: HashedChunk, signal: AbortSignal): Promise<Hash> {
    let failure: unknown;
    const own = await this.#options.repository.open(chunk.position, chunk.id);
    if (own && own.entry.length === chunk.length && own.entry.checksum === chunk.checksum) {
      const copy = hash.copy();
      try {
        await own.send(0, chunk.length - 1, (piece) => void copy.update(piece));
        return copy;
      } catch (error) {
        failure = error;
      }
    }
    for (const holder of chunk.holders) {
      const copy = hash.copy();
      try {
        await this.#fetch(holder, chunk, (piece) => void copy.update(piece), signal);
        return copy;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAppError(error)) throw error;
        failure = error;
      }
    }
    throw new AppError('chunk_not_found', `No node has a good copy of chunk ${chunk.id} now.`, {
      cause: failure,
      retryable: true,
    });
  }

  async #fetch(
    baseUrl: string,
    { position, id, length, checksum }: HashedChunk,
    take: (piece: Buffer) => undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, key, clock } = this.#options;
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + SIGNATURE_LIFETIME_S;
    const url = baseUrl + signTarget(key, { method: 'GET', target: chunkTarget(position, id), expiresAtS });
    const response = await client.request({ method: 'GET', url, signal });
    const isIt =
      response.status === 200 &&
      response.contentLength === length &&
      response.headers.get(CHECKSUM_HEADER) === formatChecksum(checksum);
    if (!isIt) {
      response.destroy();
      throw new AppError('source_failed', `The node at ${baseUrl} has no such chunk.`);
    }
    await response.pipe(take);
  }
}
