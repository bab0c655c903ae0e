import { normalizeText } from '../text.ts';
import { DocIds } from './doc-ids.ts';
import { unpackSections } from './sections.ts';

/** Instead of a score or popularity. */
export const NO_NUMBER = 65_535;
export const NO_YEAR = -32_768;

const POPULARITY_BONUS = 1;
const SCORE_BONUS = 0.3;

/** Longer titles are in order by their beginning. */
export const TITLE_KEY_LENGTH = 200;

/** By what titles are in order. */
function toTitleKey(title: string): string {
  return normalizeText(title).slice(0, TITLE_KEY_LENGTH);
}

function meritsOf(popularity: Uint16Array, score: Uint16Array): Float32Array {
  return Float32Array.from(popularity, (ofPeople, doc) => {
    const ofCritics = score[doc]!;
    return (
      POPULARITY_BONUS * (ofPeople === NO_NUMBER ? 0 : ofPeople / 10_000) +
      SCORE_BONUS * (ofCritics === NO_NUMBER ? 0 : ofCritics / 1000)
    );
  });
}

export type SortOrder = 'popularity' | 'score' | 'title' | 'year' | 'newest';

/**
 * What a segment knows of its movies, which are numbered in order of popularity, the most popular one first. Scores and
 * popularities are hundredths.
 */
export class DocsPart {
  readonly count: number;
  readonly weightBytes: number;
  readonly ids: DocIds;
  readonly score: Uint16Array;
  readonly popularity: Uint16Array;
  readonly year: Int16Array;
  readonly titleWords: Uint8Array;
  /** What popularity and score add to the rank of each movie, whatever is asked for. */
  readonly merits: Float32Array;
  readonly directorsOf: Uint32Array;
  readonly directorsStart: Uint32Array;
  /** The movies of each director, the most popular first, and where they begin. */
  readonly directorDocs: Uint16Array;
  readonly directorDocsStart: Uint32Array;
  readonly genresOf: Uint16Array;
  readonly genresStart: Uint32Array;
  readonly directorNames: Names;
  readonly genreNames: Names;
  readonly #titles: string;
  readonly #titleOffsets: Uint32Array;
  readonly #orders: Readonly<Record<Exclude<SortOrder, 'popularity'>, Uint16Array>>;
  readonly #ranks = new Map<SortOrder, Uint16Array>();
  #genreLists: { readonly docs: Uint16Array; readonly starts: Uint32Array } | undefined;
  readonly #genreDocs = new Map<number, GenreDocs>();

  constructor(bytes: Uint8Array) {
    const sections = unpackSections(bytes);
    this.ids = new DocIds(sections.ids as Uint8Array, sections.byId as Uint16Array);
    this.score = sections.score as Uint16Array;
    this.popularity = sections.popularity as Uint16Array;
    this.year = sections.year as Int16Array;
    this.titleWords = sections.titleWords as Uint8Array;
    this.#titles = decode(sections.titles as Uint8Array);
    this.#titleOffsets = sections.titleOffsets as Uint32Array;
    this.#orders = {
      score: sections.byScore as Uint16Array,
      year: sections.byYear as Uint16Array,
      title: sections.byTitle as Uint16Array,
      newest: sections.byId as Uint16Array,
    };
    this.directorsOf = sections.directorsOf as Uint32Array;
    this.directorsStart = sections.directorsStart as Uint32Array;
    this.directorDocs = sections.directorDocs as Uint16Array;
    this.directorDocsStart = sections.directorDocsStart as Uint32Array;
    this.genresOf = sections.genresOf as Uint16Array;
    this.genresStart = sections.genresStart as Uint32Array;
    this.directorNames = new Names(
      decode(sections.directors as Uint8Array),
      sections.directorOffsets as Uint32Array,
    );
    this.genreNames = new Names(decode(sections.genres as Uint8Array), sections.genreOffsets as Uint32Array);
    this.count = this.score.length;
    this.merits = meritsOf(this.popularity, this.score);
    const ranksBytes = Object.values(this.#orders).reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.weightBytes = bytes.byteLength + this.merits.byteLength + ranksBytes;
  }

  /** The numbers in an order; undefined for the one in which they are given. */
  order(sort: SortOrder): Uint16Array | undefined {
    return sort === 'popularity' ? undefined : this.#orders[sort];
  }

  /** The place of each movie in an order; undefined for the one in which they are numbered. */
  ranks(sort: SortOrder): Uint16Array | undefined {
    const order = this.order(sort);
    if (order === undefined) return undefined;
    let ranks = this.#ranks.get(sort);
    if (ranks === undefined) {
      ranks = new Uint16Array(this.count);
      for (let rank = 0; rank < this.count; rank++) ranks[order[rank]!] = rank;
      this.#ranks.set(sort, ranks);
    }
    return ranks;
  }

  /** The movies of these years, the latest first; those without a year are in none. */
  docsOfYears(from: number | undefined, to: number | undefined): Uint16Array {
    const order = this.#orders.year;
    const first = this.#firstUpTo(to ?? Number.POSITIVE_INFINITY);
    return order.subarray(first, Math.max(first, this.#firstUpTo((from ?? NO_YEAR + 1) - 1)));
  }

  /** Where in the order of years those up to a year begin. */
  #firstUpTo(year: number): number {
    const order = this.#orders.year;
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.year[order[middle]!]! > year) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  titleOf(doc: number): string {
    return this.#titles.slice(this.#titleOffsets[doc]!, this.#titleOffsets[doc + 1]!);
  }

  titleKeyOf(doc: number): string {
    return toTitleKey(this.titleOf(doc));
  }

  yearOf(doc: number): number | null {
    const year = this.year[doc]!;
    return year === NO_YEAR ? null : year;
  }

  directorNamesOf(doc: number): string[] {
    const numbers = this.directorsOf.subarray(this.directorsStart[doc]!, this.directorsStart[doc + 1]!);
    return Array.from(numbers, (number) => this.directorNames.at(number));
  }

  /** The movies of a genre; none for -1. */
  docsOfGenre(genre: number): GenreDocs {
    let found = this.#genreDocs.get(genre);
    if (found === undefined) {
      const { docs, starts } = this.#listGenres();
      const list = docs.subarray(starts[genre] ?? 0, starts[genre + 1] ?? 0);
      const flags = new Uint8Array(this.count);
      for (const doc of list) flags[doc] = 1;
      found = { flags, list };
      // As many as people filter by; there may be thousands of odd ones.
      if (this.#genreDocs.size >= 32) this.#genreDocs.delete(this.#genreDocs.keys().next().value!);
      this.#genreDocs.set(genre, found);
    }
    return found;
  }

  /** The movies of all genres, one genre after the other, and where each begins. */
  #listGenres(): { readonly docs: Uint16Array; readonly starts: Uint32Array } {
    if (this.#genreLists !== undefined) return this.#genreLists;
    const starts = new Uint32Array(this.genreNames.count + 1);
    for (const genre of this.genresOf) starts[genre + 1]! += 1;
    for (let genre = 0; genre < this.genreNames.count; genre++) starts[genre + 1]! += starts[genre]!;
    const next = starts.slice();
    const docs = new Uint16Array(this.genresOf.length);
    for (let doc = 0; doc < this.count; doc++) {
      for (let at = this.genresStart[doc]!; at < this.genresStart[doc + 1]!; at++) {
        docs[next[this.genresOf[at]!]!++] = doc;
      }
    }
    this.#genreLists = { docs, starts };
    return this.#genreLists;
  }
}

export interface GenreDocs {
  /** A byte for each movie of the segment, 1 for those of the genre. */
  readonly flags: Uint8Array;
  /** The most popular first. */
  readonly list: Uint16Array;
}

/** Names in the order of how they are compared. */
class Names {
  readonly #text: string;
  readonly #offsets: Uint32Array;

  constructor(text: string, offsets: Uint32Array) {
    this.#text = text;
    this.#offsets = offsets;
  }

  get count(): number {
    return this.#offsets.length - 1;
  }

  at(number: number): string {
    return this.#text.slice(this.#offsets[number]!, this.#offsets[number + 1]!);
  }

  /** By its normalised form; -1 when it is not here. */
  find(key: string): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = normalizeText(this.at(middle));
      if (found === key) return middle;
      if (found < key) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
