import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { SeededRandom } from './seeded-random.ts';

/** A movie of the benchmark, as far as its requests need it. */
export interface SampledMovie {
  readonly title: string;
  readonly director: string;
}

export const GENRES = [
  ...['Drama', 'Comedy', 'Thriller', 'Romance', 'Action', 'Horror', 'Crime', 'Documentary', 'Adventure'],
  ...['Sci-Fi', 'Mystery', 'Family', 'Fantasy', 'Animation', 'Biography', 'History', 'Music', 'War'],
  ...['Musical', 'Western', 'Sport', 'Film-Noir', 'News', 'Short'],
] as const;

const SMALL_WORDS = ['the', 'of', 'a', 'and', 'in', 'la', 'to', 'love', 'my', 'man', 'night', 'life', 'last'];
const ONSETS = [
  'b',
  'br',
  'c',
  'ch',
  'd',
  'f',
  'g',
  'gr',
  'h',
  'k',
  'l',
  'm',
  'n',
  'p',
  'r',
  's',
  'st',
  't',
  'tr',
  'v',
  'w',
];
const VOWELS = ['a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'ou'];
const CODAS = ['', '', 'n', 'r', 's', 'l', 't', 'nd', 'ck'];
const VOCABULARY = 120_000;
const LINES_WRITTEN = 2000;

/** Numbers from 0 whose frequency falls with their rank, as words of a language do (Zipf). */
export class ZipfRanks {
  readonly #random: SeededRandom;
  readonly #sums: Float64Array;

  constructor(random: SeededRandom, count: number, exponent = 1) {
    this.#random = random;
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += 1 / (rank + 2) ** exponent;
      this.#sums[rank] = sum;
    }
  }

  next(): number {
    const wanted = (this.#random.below(2 ** 31) / 2 ** 31) * this.#sums.at(-1)!;
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sums[middle]! <= wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Words of a made-up language with a few real ones on top. */
export function createVocabulary(random: SeededRandom, count: number): string[] {
  const words = new Set(SMALL_WORDS);
  while (words.size < count) {
    let word = '';
    const syllables = 1 + random.below(3) + (words.size > 2000 ? 1 : 0);
    for (let index = 0; index < syllables; index++) word += random.pick(ONSETS) + random.pick(VOWELS);
    words.add(word + random.pick(CODAS));
  }
  return [...words];
}

/**
 * Writes movies, one a line: titles of one to six words and a tenth with a synopsis of 25, words and directors by Zipf's
 * law (a director has eight movies on average), one to three genres, popularity that few have. Returns some of them.
 */
export async function writeMovies(file: string, count: number, sampleSize: number): Promise<SampledMovie[]> {
  const random = new SeededRandom(7);
  const vocabulary = createVocabulary(random, VOCABULARY);
  const words = new ZipfRanks(random, VOCABULARY);
  const people = Math.max(100, Math.floor(count / 8));
  const directors = new ZipfRanks(random, people, 0.6);
  const genres = new ZipfRanks(random, GENRES.length);
  const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);
  const wordsOf = (length: number) => Array.from({ length }, () => vocabulary[words.next()]!);
  const nameOf = (person: number) =>
    `${capital(vocabulary[13 + ((person * 7) % 4000)]!)} ${capital(vocabulary[5000 + ((person * 31) % 90_000)]!)}`;

  const samples: SampledMovie[] = [];
  const output = createWriteStream(file);
  let lines: string[] = [];
  for (let index = 0; index < count; index++) {
    const title = wordsOf(1 + random.below(3) + random.below(4))
      .map(capital)
      .join(' ');
    const director = nameOf(directors.next());
    const movie = {
      title,
      year: 2025 - Math.floor(random.below(1000) ** 2 / 10_000),
      directors: random.below(12) === 0 ? [director, nameOf(directors.next())] : [director],
      genres: [...new Set(Array.from({ length: 1 + random.below(3) }, () => GENRES[genres.next()]!))],
      score: Math.round(10 + random.below(30) + random.below(30) + random.below(31)) / 10,
      popularity: Math.round((random.below(10_000) / 10_000) ** 4 * 1000) / 10,
      runtimeMinutes: 60 + random.below(120),
      ...(random.below(10) === 0 && { synopsis: wordsOf(25).join(' ') }),
    };
    if (index % Math.ceil(count / sampleSize) === 0) samples.push({ title, director });
    lines.push(JSON.stringify(movie));
    if (lines.length < LINES_WRITTEN && index < count - 1) continue;
    if (!output.write(`${lines.join('\n')}\n`)) await once(output, 'drain');
    lines = [];
  }
  output.end();
  await once(output, 'close');
  return samples;
}
