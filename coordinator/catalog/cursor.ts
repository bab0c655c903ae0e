import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import { invalidRequest } from '../parse-fields.ts';
import { type CatalogQuery, EFFORTS, type Effort, type Place } from './index/query.ts';

const MAC_BYTES = 12;

const contentSchema = z.tuple([
  z.string(),
  z.enum(EFFORTS as readonly [Effort, ...Effort[]]),
  z.union([z.number(), z.string()]),
  z.uuid(),
]);

/** Opaque names for places in lists, good for the query that they came from and no other. */
export class Cursors {
  readonly #key: SigningKey;

  constructor(key: SigningKey) {
    this.#key = key;
  }

  encode(query: CatalogQuery, effort: Effort, place: Place): string {
    const content = Buffer.from(JSON.stringify([fingerprint(query), effort, place.key, place.id]));
    return Buffer.concat([this.#sign(content), content]).toString('base64url');
  }

  /** Throws `invalid_request` for what `encode` did not make for this query. */
  decode(query: CatalogQuery, text: string): Place & { readonly effort: Effort } {
    const bytes = Buffer.from(text, 'base64url');
    const [mac, content] = [bytes.subarray(0, MAC_BYTES), bytes.subarray(MAC_BYTES)];
    // One place has one name: what decodes by leniency alone is refused.
    const isWhole = bytes.toString('base64url') === text && mac.length === MAC_BYTES;
    if (!isWhole || !timingSafeEqual(mac, this.#sign(content))) throw notOurs();
    const [made, effort, key, id] = contentSchema.parse(JSON.parse(content.toString()));
    if (made !== fingerprint(query)) throw notOurs();
    return { effort, key, id };
  }

  #sign(content: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(content).digest().subarray(0, MAC_BYTES);
  }
}

function fingerprint(query: CatalogQuery): string {
  return createHash('sha256').update(JSON.stringify(query)).digest('base64url').slice(0, 16);
}

function notOurs(): Error {
  return invalidRequest([{ field: 'cursor', message: 'not a cursor of this list' }]);
}
