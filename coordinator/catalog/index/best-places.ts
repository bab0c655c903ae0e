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

export function comparePlaces(a: Place, b: Place): number {
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
  const { docs, sort, filter, among = listed.inOrder } = listed;
  // 1. Where much passes, the first ones in order are found soon.
  const isFew = among !== undefined && among.length < docs.count / 2;
  if (addInOrder(best, listed, isFew ? among.length * TRIED_SHARE : Number.POSITIVE_INFINITY)) return;
  // 2. Few movies are looked at one by one, unless many of them pass: in order, some `count / passing` are looked at for
  // each one that is found, at an eighth of the cost.
  const passing = among!.filter(filter);
  if (passing.length ** 2 > (best.count * docs.count) / 8) addInOrder(best, listed, Number.POSITIVE_INFINITY);
  else for (const doc of passing) best.offer(placeOf(docs, doc, sort));
}

/** False when so many were looked at and there may be more. */
function addInOrder(best: BestPlaces, { docs, sort, filter, inOrder }: Listed, most: number): boolean {
  const { after } = best;
  const order = inOrder ?? docs.order(sort);
  const docAt = (at: number) => (order === undefined ? at : order[at]!);
  const count = order === undefined ? docs.count : order.length;
  let low = 0;
  if (after !== undefined) {
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePlaces(placeOf(docs, docAt(middle), sort), after) <= 0) low = middle + 1;
      else high = middle;
    }
  }
  const end = Math.min(count, low + most);
  for (let at = low; at < end; at++) {
    const doc = docAt(at);
    // Whatever follows comes later still.
    if (filter(doc) && !best.offer(placeOf(docs, doc, sort))) return true;
  }
  return end === count;
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
