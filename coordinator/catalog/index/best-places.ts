import type { DocsPart, SortOrder } from './docs-part.ts';
import { NO_NUMBER } from './docs-part.ts';
import type { Filter } from './filters.ts';
import type { Matches } from './match-words.ts';
import type { FoundPlace, Place } from './query.ts';

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

/** The first `count` movies of a segment behind a place that pass the filter. */
export function placesInOrder(
  docs: DocsPart,
  sort: SortOrder,
  filter: Filter,
  after: Place | undefined,
  count: number,
): FoundPlace[] {
  const placeAt = (at: number): FoundPlace => {
    const doc = docs.at(sort, at);
    return { key: keyOf(docs, doc, sort), id: docs.idOf(doc), docs, doc };
  };
  let low = 0;
  if (after !== undefined) {
    let high = docs.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePlaces(placeAt(middle), after) <= 0) low = middle + 1;
      else high = middle;
    }
  }
  const places: FoundPlace[] = [];
  for (let at = low; at < docs.count && places.length < count; at++) {
    if (filter(docs.at(sort, at))) places.push(placeAt(at));
  }
  return places;
}

/** The same of few movies, which are looked at one by one. */
export function placesAmong(
  docs: DocsPart,
  among: Uint16Array,
  sort: SortOrder,
  filter: Filter,
  after: Place | undefined,
): FoundPlace[] {
  const places: FoundPlace[] = [];
  for (const doc of among) {
    if (!filter(doc)) continue;
    const place = { key: keyOf(docs, doc, sort), id: docs.idOf(doc), docs, doc };
    if (after === undefined || comparePlaces(place, after) > 0) places.push(place);
  }
  return places;
}

/** The `count` best matches of any number, gathered one segment after the other. */
export class BestMatches {
  readonly #count: number;
  readonly #after: Place | undefined;
  #places: FoundPlace[] = [];

  constructor(count: number, after: Place | undefined) {
    this.#count = count;
    this.#after = after;
  }

  add(docs: DocsPart, { docs: found, ranks }: Matches, filter: Filter): void {
    const after = this.#after;
    for (let at = 0; at < found.length; at++) {
      const rank = ranks[at]!;
      if (after !== undefined && rank > (after.key as number)) continue;
      const last = this.#places.length >= this.#count ? this.#places.at(-1) : undefined;
      if (last !== undefined && rank < (last.key as number)) continue;
      const doc = found[at]!;
      if (!filter(doc)) continue;
      const place = { key: rank, id: docs.idOf(doc), docs, doc };
      if (after !== undefined && comparePlaces(place, after) <= 0) continue;
      if (last === undefined || comparePlaces(place, last) < 0) this.#insert(place);
    }
  }

  places(): readonly FoundPlace[] {
    return this.#places;
  }

  #insert(place: FoundPlace): void {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePlaces(this.#places[middle]!, place) <= 0) low = middle + 1;
      else high = middle;
    }
    this.#places.splice(low, 0, place);
    if (this.#places.length > this.#count) this.#places.pop();
  }
}
