import { PREFIX_WORDS_MAX, SEGMENT_DOCS_MAX } from '../limits.ts';
import type { DocsPart } from './docs-part.ts';
import { ALL_FIELDS, type Field, type TermsPart } from './terms-part.ts';

/** What a word of the query may be in the index. */
export interface WordForm {
  readonly text: string;
  /** 1 for the word itself, less for what it may have been meant to be. */
  readonly weight: number;
}

export interface QueryWord {
  readonly forms: readonly WordForm[];
  /** The beginning of words that count as well. */
  readonly beginning: string | undefined;
}

/** Movies of one segment and how well they match; higher is better, and never 0. */
export interface Matches {
  readonly docs: Uint16Array;
  readonly ranks: Uint16Array;
}

const FIELD_WEIGHTS: Readonly<Record<Field, number>> = { t: 3, p: 2.5, g: 1.2, o: 1 };
const BEGINNING_WEIGHT = 0.85;
/** For a title that consists of nothing but the words of the query. */
const TITLE_BONUS = 2;
const RANK_SCALE = 1000;
/** 1 divided by the words of a title. */
const SHARES_OF_TITLE = Float32Array.from({ length: 256 }, (_, words) => 1 / Math.max(1, words));

/** Reused: all zero between two calls, which do not interrupt each other. */
const scratch = {
  best: new Float32Array(SEGMENT_DOCS_MAX),
  total: new Float32Array(SEGMENT_DOCS_MAX),
  hits: new Uint8Array(SEGMENT_DOCS_MAX),
  titleHits: new Uint8Array(SEGMENT_DOCS_MAX),
  inTitle: new Uint8Array(SEGMENT_DOCS_MAX),
  touched: new Uint16Array(SEGMENT_DOCS_MAX),
  all: new Uint16Array(SEGMENT_DOCS_MAX),
};

interface Postings {
  readonly docs: Uint16Array;
  readonly weight: number;
  readonly isTitle: boolean;
}

/** Where to look. */
export interface MatchOptions {
  readonly fields: readonly Field[];
  /** Only the most popular movies with each term, so many. */
  readonly docsPerTermMax: number;
}

export const EVERYWHERE: MatchOptions = { fields: ALL_FIELDS, docsPerTermMax: Number.POSITIVE_INFINITY };

/**
 * Movies that have all words but `missesMax`. Each counts by the best field that has it; on top come titles of few other
 * words, popularity and score.
 */
export function matchWords(
  docs: DocsPart,
  terms: TermsPart,
  words: readonly QueryWord[],
  missesMax: number,
  options: MatchOptions,
): Matches {
  // The rarest first: the others are then looked for in few movies.
  const lists = words.map((word) => postingsOf(terms, word, options));
  lists.sort((a, b) => lengthOf(a) - lengthOf(b));
  let count = 0;
  for (const [index, postings] of lists.entries()) count = addWord(postings, index, missesMax, count);
  return collect(docs, words.length, missesMax, count);
}

/** Where a word occurs, in all its forms and fields. */
function postingsOf(
  terms: TermsPart,
  { forms, beginning }: QueryWord,
  { fields, docsPerTermMax }: MatchOptions,
): Postings[] {
  const found: Postings[] = [];
  for (const field of fields) {
    const weight = FIELD_WEIGHTS[field];
    const isTitle = field === 't';
    for (const form of forms) {
      const number = terms.find(field + form.text);
      if (number >= 0) found.push({ docs: terms.postingsAt(number), weight: weight * form.weight, isTitle });
    }
    if (beginning === undefined) continue;
    for (const number of terms.frequentFrom(field + beginning, PREFIX_WORDS_MAX)) {
      const docs = terms.postingsAt(number).subarray(0, docsPerTermMax);
      found.push({ docs, weight: weight * BEGINNING_WEIGHT, isTitle });
    }
  }
  return found;
}

function lengthOf(lists: readonly Postings[]): number {
  return lists.reduce((sum, { docs }) => sum + docs.length, 0);
}

/** Counts one more word; returns how many movies have had any. */
function addWord(lists: readonly Postings[], index: number, missesMax: number, before: number): number {
  const { best, total, hits, titleHits, inTitle, touched, all } = scratch;
  const hitsMin = index - missesMax;
  let touchedCount = 0;
  for (const { docs, weight, isTitle } of lists) {
    for (let at = 0; at < docs.length; at++) {
      const doc = docs[at]!;
      if (hits[doc]! < hitsMin) continue;
      if (best[doc] === 0) touched[touchedCount++] = doc;
      if (weight > best[doc]!) best[doc] = weight;
      if (isTitle) inTitle[doc] = 1;
    }
  }
  let count = before;
  for (let at = 0; at < touchedCount; at++) {
    const doc = touched[at]!;
    if (hits[doc] === 0) all[count++] = doc;
    hits[doc]! += 1;
    total[doc]! += best[doc]!;
    titleHits[doc]! += inTitle[doc]!;
    best[doc] = 0;
    inTitle[doc] = 0;
  }
  return count;
}

function collect(docs: DocsPart, words: number, missesMax: number, count: number): Matches {
  const { total, hits, titleHits, all } = scratch;
  const found = new Uint16Array(count);
  const ranks = new Uint16Array(count);
  let length = 0;
  for (let at = 0; at < count; at++) {
    const doc = all[at]!;
    if (hits[doc]! >= words - missesMax) {
      let rank = total[doc]! / words + docs.merits[doc]!;
      const inTitle = titleHits[doc]!;
      if (inTitle > 0) {
        const coverage = Math.min(1, inTitle * SHARES_OF_TITLE[docs.titleWords[doc]!]!);
        rank += TITLE_BONUS * (inTitle / words) * coverage;
      }
      found[length] = doc;
      ranks[length++] = Math.max(1, Math.round(rank * RANK_SCALE));
    }
    hits[doc] = 0;
    titleHits[doc] = 0;
    total[doc] = 0;
  }
  return { docs: found.subarray(0, length), ranks: ranks.subarray(0, length) };
}
