import { CORRECTIONS_CACHED_MAX, CORRECTIONS_MAX } from '../limits.ts';
import type { WordForm } from './match-words.ts';
import type { Segment, Snapshot } from './segment.ts';
import { editDistance, editsAllowed, maskDistance, maskOf } from './spelling.ts';
import { FIELDS, type TermsPart } from './terms-part.ts';
import type { Turns } from './turns.ts';

/** Terms that are looked through at a time. */
const SLICE = 32_768;
const DISTANCE_WEIGHTS = [1, 0.7, 0.5];
/** Who mistypes a word seldom begins with its first letter. */
const FIRST_LETTER_FACTOR = 0.8;
/** Typed by nobody on purpose. */
const CORRECTED_FIELDS = [FIELDS.title, FIELDS.person, FIELDS.genre];

interface Candidate {
  readonly weight: number;
  frequency: number;
}

/** Which words a misspelt one may have been meant to be. What was found is remembered for as long as the index is the same. */
export class Corrections {
  #version = -1;
  readonly #known = new Map<string, readonly WordForm[]>();

  /** The likeliest first, without the word itself. */
  async find(
    snapshot: Snapshot,
    word: string,
    isGenerous: boolean,
    turns: Turns,
  ): Promise<readonly WordForm[]> {
    if (this.#version !== snapshot.version) this.#known.clear();
    this.#version = snapshot.version;
    const key = `${isGenerous ? '+' : '-'}${word}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const edits = editsAllowed(word.length, isGenerous);
    // Those that begin alike are a small part of all words, and mostly have it.
    const alike = await search(snapshot.segments, word, edits, firstLetterOf(word), turns);
    const found = alike.length > 0 ? alike : await search(snapshot.segments, word, edits, '', turns);
    if (this.#version === snapshot.version) {
      if (this.#known.size >= CORRECTIONS_CACHED_MAX) this.#known.delete(this.#known.keys().next().value!);
      this.#known.set(key, found);
    }
    return found;
  }
}

/** Never half a character. */
function firstLetterOf(word: string): string {
  return String.fromCodePoint(word.codePointAt(0)!);
}

async function search(
  segments: readonly Segment[],
  word: string,
  edits: number,
  beginning: string,
  turns: Turns,
): Promise<readonly WordForm[]> {
  const candidates = new Map<string, Candidate>();
  if (edits === 0) return [];
  for (const segment of segments) {
    const terms = await segment.terms();
    for (const field of CORRECTED_FIELDS) {
      const [from, to] = terms.rangeOf(field + beginning);
      for (let at = from; at < to; at += SLICE) {
        look(terms, at, Math.min(to, at + SLICE), word, edits, candidates);
        await turns.pause();
      }
    }
  }
  return [...candidates]
    .sort(
      ([one, a], [other, b]) => b.weight - a.weight || b.frequency - a.frequency || (one < other ? -1 : 1),
    )
    .slice(0, CORRECTIONS_MAX)
    .map(([text, { weight }]) => ({ text, weight }));
}

function look(
  terms: TermsPart,
  from: number,
  to: number,
  word: string,
  edits: number,
  candidates: Map<string, Candidate>,
): void {
  const mask = maskOf(word);
  const { masks } = terms;
  // A substitution changes two letters.
  const masksApart = 2 * edits;
  for (let number = from; number < to; number++) {
    if (maskDistance(mask, masks[number]!) > masksApart) continue;
    const length = terms.lengthAt(number) - 1;
    if (Math.abs(length - word.length) > edits) continue;
    const text = terms.termAt(number).slice(1);
    const known = candidates.get(text);
    if (known !== undefined) {
      known.frequency += terms.frequencyAt(number);
      continue;
    }
    const distance = editDistance(word, text, edits);
    if (distance === 0 || distance > edits) continue;
    const weight =
      DISTANCE_WEIGHTS[distance]! * (text.charCodeAt(0) === word.charCodeAt(0) ? 1 : FIRST_LETTER_FACTOR);
    candidates.set(text, { weight, frequency: terms.frequencyAt(number) });
  }
}
