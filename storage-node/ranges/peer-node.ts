import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { chunkEntrySchema } from '../../lib/node-api/schema.ts';
import { parseChecksum, parsePosition, rangeTarget } from '../../lib/node-api/targets.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import type { ChunkSource } from '../chunks/chunk-source.ts';
import { CHUNK_BYTES_MAX, PULL_PAGE_LIMIT, SIGNATURE_LIFETIME_S } from '../limits.ts';
import { chunkName } from '../repository/chunk-name.ts';

export interface ListedChunk {
  /** Serves as the cursor behind this chunk. */
  readonly name: string;
  readonly position: number;
  readonly id: string;
  readonly length: number;
  readonly checksum: number;
}

/** Another node, as far as this one reads from it. */
export class PeerNode {
  readonly #baseUrl: string;
  readonly #source: ChunkSource;
  readonly #key: SigningKey;
  readonly #clock: Clock;

  constructor(baseUrl: string, parts: { source: ChunkSource; key: SigningKey; clock: Clock }) {
    this.#baseUrl = baseUrl.replace(/\/+$/, '');
    this.#source = parts.source;
    this.#key = parts.key;
    this.#clock = parts.clock;
  }

  /** A signed URL for a GET. */
  urlOf(target: string): string {
    const expiresAtS = Math.floor(this.#clock.nowMs() / 1000) + SIGNATURE_LIFETIME_S;
    return this.#baseUrl + signTarget(this.#key, { method: 'GET', target, expiresAtS });
  }

  /**
   * Its chunks with positions `first` to `last` behind the cursor, in order, fetched page by page. Rejects with
   * `source_failed` or `source_stalled`, also when the listing is not in order or leaves the range.
   */
  async *list(
    first: number,
    last: number,
    after: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ListedChunk> {
    let cursor = after;
    let coming = this.#fetchPage(first, last, cursor, signal);
    for (;;) {
      const page = await coming;
      if (page.next !== undefined) {
        // While this page is worked off, the next one is on its way.
        coming = this.#fetchPage(first, last, page.next, signal);
        coming.catch(() => {});
      }
      for (const line of page.text.split('\n')) {
        if (line === '') continue;
        const chunk = parseLine(line);
        const inRange = chunk.position >= first && chunk.position <= last;
        if (!inRange || (cursor !== undefined && chunk.name <= cursor)) {
          throw unusable(`the listing goes astray at ${chunk.name}`);
        }
        cursor = chunk.name;
        yield chunk;
      }
      if (page.next === undefined) return;
      if (page.next !== cursor) throw unusable('the next cursor is not the last chunk of the page');
    }
  }

  async #fetchPage(
    first: number,
    last: number,
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<{ text: string; next: string | undefined }> {
    const query = `?limit=${PULL_PAGE_LIMIT}${after === undefined ? '' : `&after=${after}`}`;
    try {
      return await this.#source.fetchPage(this.urlOf(rangeTarget(first, last) + query), signal);
    } catch (error) {
      if (isAppError(error) && error.code === 'source_missing') throw unusable('it does not list ranges');
      throw error;
    }
  }
}

function parseLine(line: string): ListedChunk {
  let entry: ReturnType<typeof chunkEntrySchema.safeParse>;
  try {
    entry = chunkEntrySchema.safeParse(JSON.parse(line));
  } catch {
    throw unusable('a line of its listing is not JSON');
  }
  if (!entry.success) throw unusable('a line of its listing is malformed');
  const { id, length } = entry.data;
  if (length > CHUNK_BYTES_MAX) throw unusable(`chunk ${id} is longer than any chunk may be`);
  const position = parsePosition(entry.data.position)!;
  const checksum = parseChecksum(entry.data.checksum)!;
  return { name: chunkName(position, id), position, id, length, checksum };
}

function unusable(why: string): AppError {
  return new AppError('source_failed', `The source cannot be copied from: ${why}.`);
}
