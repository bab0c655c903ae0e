import type { DocsPart, SortOrder } from './docs-part.ts';
import { NO_NUMBER } from './docs-part.ts';
import type { Filter } from './filters.ts';
import type { Matches } from './match-words.ts';
import type { FoundPlace, Place } from './query.ts';

/** Of the movies that may pass a filter so many are first looked for in order. */
const TRIED_SHARE = 0.25;

/** By what an order puts movies; for all but titles the highest comes first, and of equals the latest. */
export function keyOf(docs: DocsPart, doc: number, sort: SortOrder): number | string {
  switch (sort) {
    case 'popularity':
      return docs.popularity[doc] === NO_NUMBER ? -1 : docs.popularity[doc]!;
    case 'score':
      return docs.score[doc] === NO_NUMBER ? -1 : docs.score[doc]!;
    case 'year':
      return docs.year[doc]!;
    case 'title':
      return docs.titleKeyOf(doc);
    case 'newest':
      return 0;
  }
}

function comparePlaces(a: Place, b: Place): number {
  if (a.key !== b.key) {
    if (typeof a.key === 'string') return a.key < (b.key as string) ? -1 : 1;
    return (b.key as number) - a.key;
  }
  return a.id > b.id ? -1 : a.id < b.id ? 1 : 0;
}

/** The `count` best places of any number, gathered one segment after the other. */
export class BestPlaces {
  readonly count: number;
  /** The first one comes behind it. */
  readonly after: Place | undefined;
  #places: FoundPlace[] = [];

  constructor(count: number, after: Place | undefined) {
    this.count = count;
    this.after = after;
  }

  /** Only what comes before it is of use; undefined while there is room. */
  get last(): FoundPlace | undefined {
    return this.#places.length >= this.count ? this.#places.at(-1) : undefined;
  }

  get places(): readonly FoundPlace[] {
    return this.#places;
  }

  /** False when it comes too late. One that is here already counts once. */
  offer(place: FoundPlace): boolean {
    const { last } = this;
    if (last !== undefined && comparePlaces(place, last) >= 0) return false;
    if (this.after !== undefined && comparePlaces(place, this.after) <= 0) return true;
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePlaces(this.#places[middle]!, place) <= 0) low = middle + 1;
      else high = middle;
    }
    if (this.#places[low - 1]?.id === place.id) return true;
    this.#places.splice(low, 0, place);
    if (this.#places.length > this.count) this.#places.pop();
    return true;
  }
}

/** What of a segment a list may show. */
export interface Listed {
  readonly docs: DocsPart;
  readonly sort: SortOrder;
  readonly filter: Filter;
  /** All that may pass the filter, in any order, if that is known; */
  readonly among?: Uint16Array | undefined;
  /** in the order of the list, if that is known. */
  readonly inOrder?: Uint16Array | undefined;
}

/** Adds the best of a segment. */
export function addListed(best: BestPlaces, listed: Listed): void {
  const { docs, sort, filter, inOrder, among = inOrder } = listed;
  const order = inOrder ?? docs.order(sort);
  const docAt = (at: number) => (order === undefined ? at : order[at]!);
  const count = order === undefined ? docs.count : order.length;
  const placeAt = (at: number) => placeOf(docs, docAt(at), sort);
  // 1. What comes later than the last of the best, which segments before have found, need not be looked at.
  const first = best.after === undefined ? 0 : firstBehind(best.after, count, placeAt);
  const stop = best.last === undefined ? count : firstBehind(best.last, count, placeAt);
  // 2. Where much passes, the first ones in order are found soon.
  const isFew = among !== undefined && among.length < docs.count / 2;
  const end = isFew ? Math.min(stop, first + Math.floor(among.length * TRIED_SHARE)) : stop;
  for (let at = first; at < end; at++) {
    const doc = docAt(at);
    // Whatever follows comes later still.
    if (filter(doc) && !best.offer(placeOf(docs, doc, sort))) return;
  }
  // 3. Of few movies all that pass are put in order.
  if (end < stop) addSorted(best, listed, among!);
}

/** The first of so many places in order that comes behind another one. */
function firstBehind(after: Place, count: number, placeAt: (at: number) => Place): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePlaces(placeAt(middle), after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** By their ranks, which are numbers: what places are made of is only looked up for the first ones. */
function addSorted(best: BestPlaces, { docs, sort, filter }: Listed, among: Uint16Array): void {
  const order = docs.order(sort);
  const ranks = docs.ranks(sort);
  const placeAt = (rank: number) => placeOf(docs, order === undefined ? rank : order[rank]!, sort);
  const first = best.after === undefined ? 0 : firstBehind(best.after, docs.count, placeAt);
  const stop = best.last === undefined ? docs.count : firstBehind(best.last, docs.count, placeAt);
  const found = new Uint16Array(among.length);
  let length = 0;
  for (const doc of among) {
    const rank = ranks === undefined ? doc : ranks[doc]!;
    if (rank >= first && rank < stop && filter(doc)) found[length++] = rank;
  }
  for (const rank of found.subarray(0, length).sort()) if (!best.offer(placeAt(rank))) return;
}

function placeOf(docs: DocsPart, doc: number, sort: SortOrder): FoundPlace {
  return { key: keyOf(docs, doc, sort), id: docs.ids.at(doc), docs, doc };
}

/** Adds the matches of a search by their ranks. */
export function addMatches(best: BestPlaces, docs: DocsPart, matches: Matches, filter: Filter): void {
  const { docs: found, ranks } = matches;
  for (let at = 0; at < found.length; at++) {
    const rank = ranks[at]!;
    if (best.after !== undefined && rank > (best.after.key as number)) continue;
    const { last } = best;
    if (last !== undefined && rank < (last.key as number)) continue;
    const doc = found[at]!;
    if (filter(doc)) best.offer({ key: rank, id: docs.ids.at(doc), docs, doc });
  }
}
