import { assert } from '../../lib/errors/app-error.ts';
import type { Manifest } from '../objects/manifest.ts';
import type { RenditionPiece } from '../renditions/rendition.ts';

/** Where a segment lies, and how long it is. */
export interface Segment {
  readonly piece: TablePiece;
  /** Of the segment, or its recipe, in the piece's object; bytes. */
  readonly offset: number;
  readonly length: number;
  /** Bytes as it is served. */
  readonly servedLength: number;
}

export interface TablePiece {
  readonly object: Manifest;
  readonly init: Buffer;
  /** Of the first piece with the same initialization segment. */
  readonly initIndex: number;
  readonly timescale: number;
  /** Its first segment. */
  readonly first: number;
}

/** About as much as V8 needs for a chunk of a manifest, and for a piece besides. */
const CHUNK_WEIGHT_BYTES = 200;
const PIECE_WEIGHT_BYTES = 400;

/** All segments of a rendition, in few bytes each. Immutable, as renditions are once they are published. */
export class SegmentTable {
  readonly count: number;
  readonly pieces: readonly TablePiece[];
  readonly isVirtual: boolean;
  /** Of each segment, or recipe, in its piece's object. */
  readonly #ends: Float64Array;
  readonly #durations: Uint32Array;
  readonly #servedLengths: Uint32Array | null;

  /** In order, without a gap. */
  constructor(pieces: readonly RenditionPiece[]) {
    this.count = pieces.reduce((sum, { durations }) => sum + durations.length, 0);
    this.isVirtual = pieces.some(({ servedLengths }) => servedLengths !== null);
    this.#ends = new Float64Array(this.count);
    this.#durations = new Uint32Array(this.count);
    this.#servedLengths = this.isVirtual ? new Uint32Array(this.count) : null;
    const own: TablePiece[] = [];
    let first = 0;
    for (const { object, init, timescale, durations, lengths, servedLengths } of pieces) {
      const before = own.at(-1);
      const same = before?.init.equals(init) ? before : undefined;
      const initIndex = same?.initIndex ?? own.length;
      own.push({ object, init: same?.init ?? Buffer.from(init), initIndex, timescale, first });
      this.#durations.set(durations, first);
      this.#servedLengths?.set(servedLengths ?? lengths, first);
      let end = 0;
      for (const [index, length] of lengths.entries()) {
        end += length;
        this.#ends[first + index] = end;
      }
      first += durations.length;
    }
    this.pieces = own;
  }

  /** Undefined when there is no such segment. */
  segment(number: number): Segment | undefined {
    if (!(number >= 0 && number < this.count)) return undefined;
    const piece = this.pieceOf(number);
    const offset = number === piece.first ? 0 : this.#ends[number - 1]!;
    const length = this.#ends[number]! - offset;
    return { piece, offset, length, servedLength: this.#servedLengths?.[number] ?? length };
  }

  durationS(number: number): number {
    return this.#durations[number]! / this.pieceOf(number).timescale;
  }

  /** The segments from the one that begins at or behind `offset` in the piece on; may be that behind its last one. */
  segmentFrom(pieceIndex: number, offset: number): number {
    const { first } = this.pieces[pieceIndex]!;
    let low = first;
    let high = this.pieces[pieceIndex + 1]?.first ?? this.count;
    const end = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = middle === first ? 0 : this.#ends[middle - 1]!;
      if (start < offset) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, end);
  }

  pieceIndexOf(number: number): number {
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.pieces[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  pieceOf(number: number): TablePiece {
    assert(this.count > 0, 'a table has segments');
    return this.pieces[this.pieceIndexOf(number)]!;
  }

  /** Memory that it takes, roughly. */
  get weightBytes(): number {
    let bytes = this.count * (this.isVirtual ? 16 : 12);
    for (const [index, { object, init, initIndex }] of this.pieces.entries()) {
      bytes += PIECE_WEIGHT_BYTES + object.chunks.length * CHUNK_WEIGHT_BYTES;
      if (initIndex === index) bytes += init.length;
    }
    return bytes;
  }
}
