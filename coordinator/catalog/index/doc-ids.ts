import { unpackSections } from './sections.ts';

const ID_BYTES = 16;

/** What `DocIds` are made of. */
export interface IdsCopy {
  readonly bytes: Uint8Array;
  readonly latestFirst: Uint16Array;
}

/** The ids of a segment's movies, by their numbers. */
export class DocIds {
  readonly #bytes: Buffer;
  /** The numbers, the greatest id first. */
  readonly #latestFirst: Uint16Array;

  constructor(bytes: Uint8Array, latestFirst: Uint16Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#latestFirst = latestFirst;
  }

  /** Those of a part of documents. Nothing else of it is looked at. */
  static of(docsPart: Uint8Array): DocIds {
    const { ids, byId } = unpackSections(docsPart);
    return new DocIds(ids as Uint8Array, byId as Uint16Array);
  }

  get count(): number {
    return this.#bytes.length / ID_BYTES;
  }

  at(doc: number): string {
    const hex = this.#bytes.toString('hex', doc * ID_BYTES, (doc + 1) * ID_BYTES);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** The number of a movie; -1 when it is not here. */
  find(id: string): number {
    const wanted = Buffer.from(id.replaceAll('-', ''), 'hex');
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const doc = this.#latestFirst[middle]!;
      const comparison = this.#bytes.compare(wanted, 0, ID_BYTES, doc * ID_BYTES, (doc + 1) * ID_BYTES);
      if (comparison === 0) return doc;
      // The latest come first.
      if (comparison > 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** To be made again elsewhere. */
  toCopy(): IdsCopy {
    return { bytes: Uint8Array.from(this.#bytes), latestFirst: this.#latestFirst.slice() };
  }
}
