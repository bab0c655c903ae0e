import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { matchesWeakly } from './videos/conditional.ts';

type Coding = 'br' | 'gzip' | 'identity';

/** Beyond this quality, time grows much faster than size shrinks. */
const BROTLI_QUALITY = 6;

const ENCODE: Readonly<Record<Coding, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gzip: promisify<Uint8Array, Uint8Array>(gzip),
  identity: async (bytes) => bytes,
};

export interface AssetOptions {
  /** Called once for each coding that somebody asks for; gives the same bytes each time. */
  readonly load: () => Promise<Uint8Array> | Uint8Array;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What was compressed beforehand. */
  readonly precompressed?: Readonly<Partial<Record<'br' | 'gzip', Uint8Array>>>;
  /** Of what is compressed already: it is sent as it is. */
  readonly isCompressed?: boolean;
}

interface Encoded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/**
 * Bytes that stay the same as long as the process runs. Each coding is made on Node's threads when it is first asked for,
 * and kept: at most three copies.
 */
export class Asset {
  readonly #options: AssetOptions;
  readonly #encoded = new Map<Coding, Promise<Encoded>>();

  constructor(options: AssetOptions) {
    this.#options = options;
  }

  /**
   * In the coding that the client likes best, with a strong `ETag` a coding; 304 when the client has it. What is said in
   * `more` comes with either.
   */
  async answer(
    c: Context,
    cacheControl: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const supports: Coding[] = this.#options.isCompressed ? ['identity'] : ['br', 'gzip', 'identity'];
    const coding = accepts(c, { header: 'Accept-Encoding', supports, default: 'identity' }) as Coding;
    const { bytes, etag } = await this.#encode(coding);
    const headers = {
      etag,
      'cache-control': cacheControl,
      vary: 'Accept-Encoding',
      ...this.#options.headers,
      ...more,
    };
    const known = c.req.header('if-none-match');
    if (known !== undefined && matchesWeakly(known, etag)) return c.body(null, 304, headers);
    return c.body(bytes, 200, {
      ...headers,
      'content-type': this.#options.contentType,
      'content-length': String(bytes.length),
      ...(coding !== 'identity' && { 'content-encoding': coding }),
    });
  }

  #encode(coding: Coding): Promise<Encoded> {
    let encoded = this.#encoded.get(coding);
    if (encoded === undefined) {
      encoded = this.#make(coding);
      // What failed once is tried again.
      encoded.catch(() => this.#encoded.delete(coding));
      this.#encoded.set(coding, encoded);
    }
    return encoded;
  }

  async #make(coding: Coding): Promise<Encoded> {
    const { load, precompressed } = this.#options;
    const ready = coding === 'identity' ? undefined : precompressed?.[coding];
    const bytes = new Uint8Array(ready ?? (await ENCODE[coding](await load())));
    return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
  }
}
