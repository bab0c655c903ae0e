import { SEGMENT_DOCS_MAX, SEGMENT_TEXT_MAX } from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import { NO_NUMBER, NO_YEAR, TITLE_KEY_LENGTH } from './docs-part.ts';
import { IdList } from './id-list.ts';
import { Names } from './names.ts';
import { NumberLists, Numbers } from './numbers.ts';
import { packSections } from './sections.ts';
import { invertOrder, sortTexts } from './sort-texts.ts';
import { maskOfUnits } from './spelling.ts';
import { TermReader } from './term-reader.ts';
import { FIELDS, type Field } from './terms-part.ts';
import { TextTable } from './text-table.ts';
import { Texts } from './texts.ts';

/** A segment as it is stored: see `DocsPart` and `TermsPart`. */
export interface BuiltSegment {
  readonly docs: number;
  readonly docsPart: Uint8Array;
  readonly termsPart: Uint8Array;
}

/** A segment of a few movies, at once. */
export function buildSegment(movies: Iterable<IndexedMovie>): BuiltSegment {
  const builder = new SegmentBuilder();
  for (const movie of movies) builder.add(movie);
  return builder.finish();
}

/**
 * Makes a segment of at most `SEGMENT_DOCS_MAX` movies. What it keeps of them are a few long arrays of numbers, no objects
 * or strings: the garbage collector would copy those.
 */
export class SegmentBuilder {
  readonly #ids = new IdList();
  readonly #titles = new Texts();
  readonly #titleKeys = new Texts();
  readonly #titleWords = new Numbers();
  readonly #scores = new Numbers();
  readonly #popularities = new Numbers();
  /** Since `NO_YEAR`. */
  readonly #years = new Numbers();
  /** Each word of each field, behind the letter of that field. */
  readonly #terms = new TextTable();
  /** Of each term the last movie that had it. */
  readonly #lastDoc = new Numbers();
  readonly #reader = new TermReader();
  readonly #genres = new Names(FIELDS.genre, this.#reader, this.#terms);
  readonly #directors = new Names(FIELDS.person, this.#reader, this.#terms);
  // Of each movie.
  readonly #termsOf = new NumberLists();
  readonly #genresOf = new NumberLists();
  readonly #directorsOf = new NumberLists();
  #textLength = 0;

  get docs(): number {
    return this.#ids.count;
  }

  /** Whether so many more may be added. */
  hasRoomFor(movies: number): boolean {
    return this.docs + movies <= SEGMENT_DOCS_MAX && this.#textLength < SEGMENT_TEXT_MAX;
  }

  add(movie: IndexedMovie): void {
    this.#addTitle(movie.title);
    if (movie.originalTitle !== null) this.#addTerms(movie.originalTitle, FIELDS.title);
    this.#addNames(movie.directors, this.#directors, this.#directorsOf);
    this.#addNames(movie.genres, this.#genres, this.#genresOf);
    if (movie.synopsis !== null) this.#addTerms(movie.synopsis, FIELDS.synopsis);
    for (const lists of [this.#termsOf, this.#genresOf, this.#directorsOf]) lists.endList();
    this.#textLength += movie.title.length + (movie.synopsis?.length ?? 0);
    this.#scores.push(hundredths(movie.score));
    this.#popularities.push(hundredths(movie.popularity));
    this.#years.push((movie.year ?? NO_YEAR) - NO_YEAR);
    this.#ids.push(movie.id);
  }

  finish(): BuiltSegment {
    // Numbers are given in order of popularity, so that the first ones of any list are the most popular.
    const latest = latestFirst(this.#ids);
    const order = sortHighestFirst(latest, (number) => present(this.#popularities.values[number]!));
    const docsPart = this.#packDocs(order, latest);
    return { docs: this.docs, docsPart, termsPart: this.#packTerms(order) };
  }

  #addTitle(title: string): void {
    this.#titles.push(title);
    const termsBefore = this.#termsOf.numbers.length;
    this.#addTerms(title, FIELDS.title);
    const { normal, normalLength } = this.#reader;
    this.#titleKeys.pushUnits(normal, 0, Math.min(normalLength, TITLE_KEY_LENGTH));
    this.#titleWords.push(Math.min(this.#termsOf.numbers.length - termsBefore, 255));
  }

  #addTerms(text: string, field: Field): void {
    const reader = this.#reader;
    reader.read(text, field);
    for (let index = 0; index < reader.count; index++) {
      this.#addTerm(this.#terms.add(reader.units, reader.starts[index]!, reader.ends[index]!));
    }
  }

  #addNames(added: readonly string[], names: Names, namesOf: NumberLists): void {
    for (const name of added) {
      const number = names.know(name);
      namesOf.push(number);
      const { numbers: terms, starts } = names.termsOf;
      const to = starts.values[number + 1]!;
      for (let at = starts.values[number]!; at < to; at++) this.#addTerm(terms.values[at]!);
    }
  }

  /** To the movie that is being added. New terms come here in the order of their numbers. */
  #addTerm(term: number): void {
    const doc = this.docs;
    if (term === this.#lastDoc.length) this.#lastDoc.push(doc);
    else if (this.#lastDoc.values[term] === doc) return;
    else this.#lastDoc.values[term] = doc;
    this.#termsOf.push(term);
  }

  /** `order` has the movies as they are numbered in the segment, `latest` by when they were made. */
  #packDocs(order: Uint16Array, latest: Uint16Array): Uint8Array {
    const numberOf = invertOrder(order);
    const scores = this.#scores.values;
    const years = this.#years.values;
    const titles = this.#titles.pack(order);
    const directors = this.#directors.pack();
    const genres = this.#genres.pack();
    const directorsOf = reorder(order, this.#directorsOf, directors.rankOf);
    const genresOf = reorder(order, this.#genresOf, genres.rankOf);
    const docsOf = invert(directorsOf, this.#directors.count);
    const byTitle = sortTexts(this.#titleKeys, latest);
    return packSections({
      ids: this.#ids.pack(order),
      score: pick(order, this.#scores, new Uint16Array(order.length)),
      popularity: pick(order, this.#popularities, new Uint16Array(order.length)),
      year: pick(order, this.#years, new Int16Array(order.length), NO_YEAR),
      titleWords: pick(order, this.#titleWords, new Uint8Array(order.length)),
      titles: titles.bytes,
      titleOffsets: titles.offsets,
      // Highest and latest first, what has none last; titles from A to Z.
      byScore: mapNumbers(
        sortHighestFirst(latest, (number) => present(scores[number]!)),
        numberOf,
      ),
      byYear: mapNumbers(
        sortHighestFirst(latest, (number) => years[number]!),
        numberOf,
      ),
      byTitle: mapNumbers(mapNumbers(byTitle, latest), numberOf),
      byId: mapNumbers(latest, numberOf),
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
    // Fields in the order of their letters, words in the order of their code units.
    const sorted = sortTexts(this.#terms.texts);
    const starts = this.#termsOf.starts.values;
    const termsOf = this.#termsOf.numbers.values;
    const count = this.#termsOf.numbers.length;
    // How many movies each term has, and then where the next one of them goes.
    const next = new Uint32Array(sorted.length);
    for (let at = 0; at < count; at++) next[termsOf[at]!]! += 1;
    const offsets = new Uint32Array(sorted.length + 1);
    for (let rank = 0; rank < sorted.length; rank++) {
      const term = sorted[rank]!;
      offsets[rank + 1] = offsets[rank]! + next[term]!;
      next[term] = offsets[rank]!;
    }
    const postings = new Uint16Array(count);
    for (let ordinal = 0; ordinal < order.length; ordinal++) {
      const number = order[ordinal]!;
      for (let at = starts[number]!; at < starts[number + 1]!; at++) {
        postings[next[termsOf[at]!]!++] = ordinal;
      }
    }
    const text = this.#terms.texts.pack(sorted);
    return packSections({
      text: text.bytes,
      textOffsets: text.offsets,
      masks: this.#masksOf(sorted),
      postingOffsets: offsets,
      postings,
    });
  }

  #masksOf(terms: Uint32Array): Uint32Array {
    const { units, starts } = this.#terms.texts;
    const masks = new Uint32Array(terms.length);
    for (let rank = 0; rank < terms.length; rank++) {
      const term = terms[rank]!;
      masks[rank] = maskOfUnits(units, starts.values[term]! + 1, starts.values[term + 1]!);
    }
    return masks;
  }
}

/** The lists of the movies in this order, of the ranks of what they have. */
function reorder(order: Uint16Array, { numbers, starts }: NumberLists, rankOf: Uint32Array) {
  const newStarts = new Uint32Array(order.length + 1);
  const newValues = new Uint32Array(numbers.length);
  let at = 0;
  for (let ordinal = 0; ordinal < order.length; ordinal++) {
    const number = order[ordinal]!;
    for (let from = starts.values[number]!; from < starts.values[number + 1]!; from++) {
      newValues[at++] = rankOf[numbers.values[from]!]!;
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
function latestFirst(ids: IdList): Uint16Array {
  const numbers = new Uint16Array(ids.count);
  for (let number = 0; number < ids.count; number++) numbers[number] = number;
  let isAscending = true;
  for (let at = 1; isAscending && at < ids.count; at++) isAscending = ids.compare(at - 1, at) < 0;
  // As an import gives them.
  if (isAscending) return numbers.reverse();
  return numbers.sort((a, b) => ids.compare(b, a));
}

/** More than there are movies, and a power of two. */
const PLACES = 65_536;

/**
 * The numbers by whole keys, the highest first, and where those are equal as they were. Key and place make one number
 * each: sorting numbers is many times as fast as asking a function.
 */
function sortHighestFirst(numbers: Uint16Array, keyOf: (number: number) => number): Uint16Array {
  const keys = new Float64Array(numbers.length);
  for (let place = 0; place < keys.length; place++) keys[place] = place - keyOf(numbers[place]!) * PLACES;
  keys.sort();
  const sorted = new Uint16Array(numbers.length);
  for (let at = 0; at < keys.length; at++) sorted[at] = numbers[keys[at]! & (PLACES - 1)]!;
  return sorted;
}

function mapNumbers(numbers: Uint16Array | Uint32Array, to: Uint16Array | Uint32Array): Uint16Array {
  const mapped = new Uint16Array(numbers.length);
  for (let at = 0; at < numbers.length; at++) mapped[at] = to[numbers[at]!]!;
  return mapped;
}

function pick<T extends Uint8Array | Uint16Array | Int16Array>(
  order: Uint16Array,
  values: Numbers,
  picked: T,
  base = 0,
): T {
  for (let at = 0; at < order.length; at++) picked[at] = values.values[order[at]!]! + base;
  return picked;
}
