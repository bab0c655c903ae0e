import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DirectRequest, DirectRoute } from '../../lib/http/direct-routes.ts';

/** A part in this process's memory that other nodes may fetch until the offer is withdrawn. */
export interface PartOffer {
  /** Path that answers GET with the bytes. Not guessable: knowing it is the permission. */
  readonly target: string;
  /** Cuts transfers that are under way. When it returns nobody reads the bytes any more. Idempotent. */
  withdraw(): void;
}

interface Entry {
  readonly bytes: Buffer;
  readonly responses: Set<ServerResponse>;
}

/**
 * Parts that were just received, for the other owners: they pull them into write buffers of their own, which costs half
 * of what a PUT would, and the disk here is not asked for bytes that are still in memory.
 */
export class PartOffers implements DirectRoute {
  readonly target = /^\/offers\/([\w-]{32})$/;
  readonly #entries = new Map<string, Entry>();

  offer(bytes: Buffer): PartOffer {
    const token = randomBytes(24).toString('base64url');
    const entry: Entry = { bytes, responses: new Set() };
    this.#entries.set(token, entry);
    return {
      target: `/offers/${token}`,
      withdraw: () => {
        this.#entries.delete(token);
        for (const response of entry.responses) response.destroy();
        entry.responses.clear();
      },
    };
  }

  async answer({ incoming, outgoing, match }: DirectRequest): Promise<void> {
    const entry = this.#entries.get(match[1]!);
    if (entry === undefined || incoming.method !== 'GET') {
      throw new AppError('chunk_not_found', 'There is no such offer, or not any more.');
    }
    const { bytes, responses } = entry;
    responses.add(outgoing);
    outgoing.on('close', () => responses.delete(outgoing));
    outgoing.writeHead(200, { 'content-length': bytes.length, 'content-type': 'application/octet-stream' });
    outgoing.end(bytes);
  }
}
