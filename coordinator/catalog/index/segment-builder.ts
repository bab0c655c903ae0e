import { SEGMENT_DOCS_MAX, SEGMENT_TEXT_MAX } from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import { normalizeText, wordsOf } from '../text.ts';
import { NO_NUMBER, NO_YEAR, toTitleKey } from './docs-part.ts';
import { packSections } from './sections.ts';
import { maskOf } from './spelling.ts';
import { FIELDS, type Field } from './terms-part.ts';

/** A segment as it is stored: see `DocsPart` and `TermsPart`. */
export interface BuiltSegment {
  readonly docs: number;
  readonly docsPart: Uint8Array;
  readonly termsPart: Uint8Array;
}

/** A list of numbers that grows. */
class Numbers {
  values = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }
}

/** A name as it was written, with what it takes to add it again. */
interface KnownName {
  readonly number: number;
  readonly words: readonly string[];
}

/** Names that were seen, by how they are compared; each keeps the form that it had first. */
class Names {
  readonly numbers = new Map<string, number>();
  readonly shown: string[] = [];
  /** By how they were written: most names come again and again. */
  readonly #known = new Map<string, KnownName>();

  know(name: string): KnownName {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = { number: this.#add(name), words: wordsOf(name) };
      this.#known.set(name, known);
    }
    return known;
  }

  #add(name: string): number {
    const key = normalizeText(name);
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.shown.length;
      this.numbers.set(key, number);
      this.shown.push(name.replaceAll('\n', ' '));
    }
    return number;
  }
}

interface Doc {
  readonly id: string;
  readonly title: string;
  readonly titleKey: string;
  readonly titleWords: number;
  readonly score: number;
  readonly popularity: number;
  readonly year: number;
}

/** A segment of a few movies, at once. */
export function buildSegment(movies: Iterable<IndexedMovie>): BuiltSegment {
  const builder = new SegmentBuilder();
  for (const movie of movies) builder.add(movie);
  return builder.finish();
}

/** Makes a segment of at most `SEGMENT_DOCS_MAX` movies. */
export class SegmentBuilder {
  readonly #docs: Doc[] = [];
  /** By field: joining field and word for every occurrence would cost more than all the rest. */
  readonly #terms: Readonly<Record<Field, Map<string, number>>> = {
    t: new Map(),
    p: new Map(),
    g: new Map(),
    o: new Map(),
  };
  /** Of each term the last movie that had it. */
  readonly #lastDoc = new Numbers();
  readonly #genres = new Names();
  readonly #directors = new Names();
  // What each movie has, one after the other, and where that begins.
  readonly #termsOf = new Numbers();
  readonly #termsStart = new Numbers();
  readonly #genresOf = new Numbers();
  readonly #genresStart = new Numbers();
  readonly #directorsOf = new Numbers();
  readonly #directorsStart = new Numbers();
  #textLength = 0;

  get docs(): number {
    return this.#docs.length;
  }

  /** Whether so many more may be added. */
  hasRoomFor(movies: number): boolean {
    return this.#docs.length + movies <= SEGMENT_DOCS_MAX && this.#textLength < SEGMENT_TEXT_MAX;
  }

  add(movie: IndexedMovie): void {
    const number = this.#docs.length;
    this.#termsStart.push(this.#termsOf.length);
    this.#genresStart.push(this.#genresOf.length);
    this.#directorsStart.push(this.#directorsOf.length);
    const titleWords = new Set(wordsOf(movie.title));
    for (const word of titleWords) this.#addTerm(FIELDS.title, word, number);
    if (movie.originalTitle !== null) {
      for (const word of wordsOf(movie.originalTitle)) this.#addTerm(FIELDS.title, word, number);
    }
    for (const director of movie.directors) {
      const known = this.#directors.know(director);
      this.#directorsOf.push(known.number);
      for (const word of known.words) this.#addTerm(FIELDS.person, word, number);
    }
    for (const genre of movie.genres) {
      const known = this.#genres.know(genre);
      this.#genresOf.push(known.number);
      for (const word of known.words) this.#addTerm(FIELDS.genre, word, number);
    }
    if (movie.synopsis !== null) {
      this.#textLength += movie.synopsis.length;
      for (const word of wordsOf(movie.synopsis)) this.#addTerm(FIELDS.synopsis, word, number);
    }
    this.#textLength += movie.title.length;
    this.#docs.push({
      id: movie.id,
      title: movie.title,
      titleKey: toTitleKey(movie.title),
      titleWords: Math.min(titleWords.size, 255),
      score: hundredths(movie.score),
      popularity: hundredths(movie.popularity),
      year: movie.year ?? NO_YEAR,
    });
  }

  finish(): BuiltSegment {
    const docs = this.#docs;
    for (const starts of [this.#termsStart, this.#genresStart, this.#directorsStart]) starts.push(0);
    this.#termsStart.values[docs.length] = this.#termsOf.length;
    this.#genresStart.values[docs.length] = this.#genresOf.length;
    this.#directorsStart.values[docs.length] = this.#directorsOf.length;
    // Numbers are given in order of popularity, so that the first ones of any list are the most popular.
    const latest = latestFirst(docs);
    const order = sortByNumber(latest, (number) => -present(docs[number]!.popularity));
    const numberOf = new Uint16Array(docs.length);
    for (const [ordinal, number] of order.entries()) numberOf[number] = ordinal;
    const docsPart = this.#packDocs(
      order,
      latest.map((number) => numberOf[number]!),
    );
    return { docs: docs.length, docsPart, termsPart: this.#packTerms(order) };
  }

  #addTerm(field: Field, word: string, doc: number): void {
    const terms = this.#terms[field];
    let number = terms.get(word);
    if (number === undefined) {
      number = this.#lastDoc.length;
      terms.set(word, number);
      this.#lastDoc.push(doc);
    } else {
      if (this.#lastDoc.values[number] === doc) return;
      this.#lastDoc.values[number] = doc;
    }
    this.#termsOf.push(number);
  }

  /** `latest` has the numbers that the order gives. */
  #packDocs(order: Uint16Array, latest: Uint16Array): Uint8Array {
    const sorted = Array.from(order, (number) => this.#docs[number]!);
    const by = (keyOf: (doc: Doc) => number) => sortByNumber(latest, (number) => keyOf(sorted[number]!));
    const titles = packText(sorted.map(({ title }) => title));
    const directors = sortNames(this.#directors);
    const genres = sortNames(this.#genres);
    const directorsOf = reorder(order, this.#directorsStart, this.#directorsOf, directors.rankOf);
    const genresOf = reorder(order, this.#genresStart, this.#genresOf, genres.rankOf);
    const docsOf = invert(directorsOf, this.#directors.shown.length);
    return packSections({
      ids: Buffer.from(sorted.map(({ id }) => id.replaceAll('-', '')).join(''), 'hex'),
      score: Uint16Array.from(sorted, ({ score }) => score),
      popularity: Uint16Array.from(sorted, ({ popularity }) => popularity),
      year: Int16Array.from(sorted, ({ year }) => year),
      titleWords: Uint8Array.from(sorted, ({ titleWords }) => titleWords),
      titles: titles.bytes,
      titleOffsets: titles.offsets,
      // Highest and latest first, what has none last; titles from A to Z.
      byScore: by(({ score }) => -present(score)),
      byYear: by(({ year }) => -year),
      byTitle: sortByTitle(latest, sorted),
      byId: latest,
      directors: directors.text.bytes,
      directorOffsets: directors.text.offsets,
      directorsOf: directorsOf.values,
      directorsStart: directorsOf.starts,
      directorDocs: docsOf.values,
      directorDocsStart: docsOf.starts,
      genres: genres.text.bytes,
      genreOffsets: genres.text.offsets,
      genresOf: Uint16Array.from(genresOf.values),
      genresStart: genresOf.starts,
    });
  }

  #packTerms(order: Uint16Array): Uint8Array {
    const terms: string[] = [];
    const rankOf = new Uint32Array(this.#lastDoc.length);
    // Fields in the order of their letters, words in the order of their code units: so are the terms.
    for (const field of Object.values(FIELDS).sort()) {
      const words = this.#terms[field];
      for (const word of [...words.keys()].sort()) {
        rankOf[words.get(word)!] = terms.length;
        terms.push(field + word);
      }
    }
    const starts = this.#termsStart.values;
    const termsOf = this.#termsOf.values;
    const count = this.#termsOf.length;
    const offsets = new Uint32Array(terms.length + 1);
    for (let at = 0; at < count; at++) offsets[rankOf[termsOf[at]!]! + 1]! += 1;
    for (let rank = 0; rank < terms.length; rank++) offsets[rank + 1]! += offsets[rank]!;
    const next = offsets.slice();
    const postings = new Uint16Array(count);
    for (let ordinal = 0; ordinal < order.length; ordinal++) {
      const number = order[ordinal]!;
      for (let at = starts[number]!; at < starts[number + 1]!; at++) {
        postings[next[rankOf[termsOf[at]!]!]!++] = ordinal;
      }
    }
    const text = packText(terms);
    return packSections({
      text: text.bytes,
      textOffsets: text.offsets,
      masks: Uint32Array.from(terms, (term) => maskOf(term, 1)),
      postingOffsets: offsets,
      postings,
    });
  }
}

/** Offsets count UTF-16 units of the decoded text. */
function packText(texts: readonly string[]): { bytes: Uint8Array; offsets: Uint32Array } {
  const offsets = new Uint32Array(texts.length + 1);
  for (let index = 0; index < texts.length; index++)
    offsets[index + 1] = offsets[index]! + texts[index]!.length;
  return { bytes: Buffer.from(texts.join('')), offsets };
}

function sortNames({ shown, numbers }: Names) {
  const keys = [...numbers.keys()];
  const rankOf = new Uint32Array(keys.length);
  const names = keys.sort().map((key, rank) => {
    const number = numbers.get(key)!;
    rankOf[number] = rank;
    return shown[number]!;
  });
  return { rankOf, text: packText(names) };
}

function reorder(order: Uint16Array, starts: Numbers, values: Numbers, rankOf: Uint32Array) {
  const newStarts = new Uint32Array(order.length + 1);
  const newValues = new Uint32Array(values.length);
  let at = 0;
  for (let ordinal = 0; ordinal < order.length; ordinal++) {
    const number = order[ordinal]!;
    for (let from = starts.values[number]!; from < starts.values[number + 1]!; from++) {
      newValues[at++] = rankOf[values.values[from]!]!;
    }
    newStarts[ordinal + 1] = at;
  }
  return { starts: newStarts, values: newValues };
}

/** Which movies have each value. */
function invert({ starts, values }: { starts: Uint32Array; values: Uint32Array }, count: number) {
  const newStarts = new Uint32Array(count + 1);
  for (let at = 0; at < values.length; at++) newStarts[values[at]! + 1]! += 1;
  for (let value = 0; value < count; value++) newStarts[value + 1]! += newStarts[value]!;
  const next = newStarts.slice();
  const docs = new Uint16Array(values.length);
  for (let doc = 0; doc + 1 < starts.length; doc++) {
    for (let at = starts[doc]!; at < starts[doc + 1]!; at++) docs[next[values[at]!]!++] = doc;
  }
  return { starts: newStarts, values: docs };
}

function hundredths(value: number | null): number {
  return value === null ? NO_NUMBER : Math.round(value * 100);
}

/** What has none comes after 0. */
function present(value: number): number {
  return value === NO_NUMBER ? -1 : value;
}

/** The numbers of the movies, the highest id first. */
function latestFirst(docs: readonly Doc[]): Uint16Array {
  const numbers = Uint16Array.from(docs.keys());
  let isAscending = true;
  for (let at = 1; isAscending && at < docs.length; at++) isAscending = docs[at - 1]!.id < docs[at]!.id;
  // As an import gives them.
  if (isAscending) return numbers.reverse();
  return numbers.sort((a, b) => compareText(docs[b]!.id, docs[a]!.id));
}

/** More than there are movies, and a power of two. */
const PLACES = 65_536;

/**
 * The numbers by whole keys, the least first, and where those are equal as they were. Key and place make one number each:
 * sorting numbers is many times as fast as asking a function.
 */
function sortByNumber(numbers: Uint16Array, keyOf: (number: number) => number): Uint16Array {
  const keys = Float64Array.from(numbers, (number, place) => keyOf(number) * PLACES + place).sort();
  return Uint16Array.from(keys, (key) => numbers[key - Math.floor(key / PLACES) * PLACES]!);
}

/** The same by titles. No key has a character below the blank, so that the place behind it decides only between equals. */
function sortByTitle(numbers: Uint16Array, docs: readonly Doc[]): Uint16Array {
  const keys = Array.from(
    numbers,
    (number, place) => `${docs[number]!.titleKey}\0${String.fromCharCode(place)}`,
  );
  return Uint16Array.from(keys.sort(), (key) => numbers[key.charCodeAt(key.length - 1)]!);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
