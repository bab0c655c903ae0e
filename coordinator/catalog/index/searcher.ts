import { SUGGESTED_DOCS_MAX, SUGGESTED_DOCS_MIN } from '../limits.ts';
import { addListed, addMatches, BestPlaces } from './best-places.ts';
import { Corrections } from './corrections.ts';
import type { DocsPart } from './docs-part.ts';
import { FacetCounter } from './facet-counter.ts';
import { createFilter, type Filter } from './filters.ts';
import { EVERYWHERE, type MatchOptions, matchWords, type QueryWord } from './match-words.ts';
import {
  type CatalogQuery,
  EFFORTS,
  type Effort,
  EVERYTHING,
  type FacetValue,
  type FoundPlace,
  type PageRequest,
  type PageResult,
} from './query.ts';
import type { Snapshot } from './segment.ts';
import { ALL_FIELDS, FIELDS, type Field } from './terms-part.ts';
import { TurnQueue, Turns } from './turns.ts';

interface Outcome {
  readonly places: readonly FoundPlace[];
  /** Whether anything matched, on this page or one before. */
  readonly hasHits: boolean;
  readonly facets: FacetCounter | undefined;
}

/** Answers queries from a snapshot, segment by segment, and lets others have their turn in between. */
export class Searcher {
  readonly #corrections = new Corrections();
  readonly #turns = new TurnQueue();

  async page(snapshot: Snapshot, query: CatalogQuery, request: PageRequest): Promise<PageResult> {
    const turns = new Turns(this.#turns);
    await turns.begin();
    if (query.words.length === 0) {
      const outcome = await this.#list(snapshot, query, request, turns);
      return toResult(outcome, 'exact', request);
    }
    // Further pages are of the list that the first one began.
    const efforts = request.after === undefined ? EFFORTS : [request.after.effort];
    let last: PageResult | undefined;
    for (const effort of efforts) {
      if (effort === 'some' && query.words.length < 2) break;
      const outcome = await this.#search(snapshot, query, request, effort, turns);
      last = toResult(outcome, effort, request);
      // What is there as it was written is better than what may have been meant.
      if (outcome.hasHits) break;
    }
    return last!;
  }

  /** How many movies have each genre, by name. */
  async genres(snapshot: Snapshot): Promise<readonly FacetValue[]> {
    const turns = new Turns(this.#turns);
    await turns.begin();
    const counter = new FacetCounter(snapshot.segments.length);
    for (const segment of snapshot.segments) {
      const docs = await segment.docs();
      counter.add(docs, undefined, createFilter(docs, segment.dead(), EVERYTHING)!);
      await turns.pause();
    }
    return counter.genres();
  }

  async #list(snapshot: Snapshot, query: CatalogQuery, request: PageRequest, turns: Turns): Promise<Outcome> {
    const sort = query.sort === 'relevance' ? 'popularity' : query.sort;
    const facets = request.facets ? new FacetCounter(snapshot.segments.length) : undefined;
    const best = new BestPlaces(request.limit + 1, request.after);
    // Later segments mostly have later movies: those before them then have none that are wanted.
    const segments = sort === 'newest' ? snapshot.segments.toReversed() : snapshot.segments;
    for (const segment of segments) {
      const docs = await segment.docs();
      const filter = createFilter(docs, segment.dead(), query);
      if (filter === null) continue;
      const ofDirector = docsOfDirector(docs, query.director);
      const ofYears = docsOfYears(docs, query);
      // These are in the order of popularity.
      const popular = shortest(ofDirector, ...docsOfGenres(docs, query.genres));
      const inOrder = sort === 'year' ? ofYears : sort === 'popularity' ? popular : undefined;
      const among = shortest(popular, ofYears);
      addListed(best, { docs, sort, filter, among, inOrder });
      facets?.add(docs, ofDirector, filter);
      await turns.pause();
    }
    return { places: best.places, hasHits: best.places.length > 0, facets };
  }

  async #search(
    snapshot: Snapshot,
    query: CatalogQuery,
    request: PageRequest,
    effort: Effort,
    turns: Turns,
  ): Promise<Outcome> {
    const words = await this.#expand(snapshot, query, effort, turns);
    const missesMax = effort === 'some' ? 1 : 0;
    const facets = request.facets ? new FacetCounter(snapshot.segments.length) : undefined;
    const best = new BestPlaces(request.limit + 1, request.after);
    let hasHits = false;
    const options = request.forSuggestions === true ? suggestedOf(words, snapshot) : EVERYWHERE;
    for (const segment of snapshot.segments) {
      const [docs, terms] = [await segment.docs(), await segment.terms()];
      const filter = createFilter(docs, segment.dead(), query);
      if (filter === null) continue;
      const matches = matchWords(docs, terms, words, missesMax, options);
      hasHits ||= matches.docs.some(filter);
      if (query.sort === 'relevance') addMatches(best, docs, matches, filter);
      else {
        const matched = new Uint8Array(docs.count);
        for (const doc of matches.docs) matched[doc] = 1;
        const both: Filter = (doc) => matched[doc] === 1 && filter(doc);
        addListed(best, { docs, sort: query.sort, filter: both, among: matches.docs });
      }
      if (facets !== undefined) facets.add(docs, matches.docs.toSorted(), filter);
      await turns.pause();
    }
    return { places: best.places, hasHits, facets };
  }

  async #expand(
    snapshot: Snapshot,
    query: CatalogQuery,
    effort: Effort,
    turns: Turns,
  ): Promise<readonly QueryWord[]> {
    const expanded: QueryWord[] = [];
    for (const [index, word] of query.words.entries()) {
      const isBeginning = query.isTyping && index === query.words.length - 1;
      const isKnown = await occurs(snapshot, word, isBeginning);
      const isGenerous = effort !== 'exact';
      const others =
        isKnown && !isGenerous ? [] : await this.#corrections.find(snapshot, word, isGenerous, turns);
      expanded.push({
        forms: [{ text: word, weight: 1 }, ...others],
        beginning: isBeginning ? word : undefined,
      });
    }
    return expanded;
  }
}

/** What is suggested are titles and people; of a single beginning those that most people mean. */
function suggestedOf(words: readonly QueryWord[], { segments }: Snapshot): MatchOptions {
  const fields = [FIELDS.title, FIELDS.person];
  if (words.length > 1) return { fields, docsPerTermMax: Number.POSITIVE_INFINITY };
  // Of many segments each has a part of what is shown.
  const share = Math.ceil((2 * SUGGESTED_DOCS_MAX) / Math.max(1, segments.length));
  return { fields, docsPerTermMax: Math.min(SUGGESTED_DOCS_MAX, Math.max(SUGGESTED_DOCS_MIN, share)) };
}

/** Whether any movie has the word, or one that begins so. */
async function occurs(snapshot: Snapshot, word: string, isBeginning: boolean): Promise<boolean> {
  for (const segment of snapshot.segments) {
    const terms = await segment.terms();
    const has = (field: Field) => {
      if (!isBeginning) return terms.find(field + word) >= 0;
      const [from, to] = terms.rangeOf(field + word);
      return to > from;
    };
    if (ALL_FIELDS.some(has)) return true;
  }
  return false;
}

function docsOfDirector(docs: DocsPart, director: string | undefined): Uint16Array | undefined {
  if (director === undefined) return undefined;
  const number = docs.directorNames.find(director);
  return docs.directorDocs.subarray(docs.directorDocsStart[number]!, docs.directorDocsStart[number + 1]!);
}

/** Those that the segment has. */
function docsOfGenres(docs: DocsPart, genres: readonly string[]): Uint16Array[] {
  return genres.map((key) => docs.docsOfGenre(docs.genreNames.find(key)).list);
}

function shortest(...lists: readonly (Uint16Array | undefined)[]): Uint16Array | undefined {
  const known = lists.filter((list) => list !== undefined);
  return known.length === 0 ? undefined : known.reduce((one, two) => (two.length < one.length ? two : one));
}

function docsOfYears(docs: DocsPart, { yearFrom, yearTo }: CatalogQuery): Uint16Array | undefined {
  if (yearFrom === undefined && yearTo === undefined) return undefined;
  return docs.docsOfYears(yearFrom, yearTo);
}

function toResult({ places, facets }: Outcome, effort: Effort, { limit }: PageRequest): PageResult {
  return {
    places: places.slice(0, limit),
    hasMore: places.length > limit,
    effort,
    facets: facets?.result(),
  };
}
