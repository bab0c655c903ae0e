import type { SeededRandom } from './seeded-random.ts';

/** A Range header and the bytes that it must be answered with; `undefined` where 416 is the answer. */
export interface RangeCase {
  readonly kind: string;
  readonly header: string;
  readonly expected: { readonly first: number; readonly end: number } | undefined;
}

const CHUNK_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;
const LONG_BYTES = 20 * 1024 * 1024;

type MakeCase = (random: SeededRandom, sizeBytes: number) => Omit<RangeCase, 'kind'>;

/** `first` to `last`, cut at the end of the source as HTTP has it. */
function closed(first: number, last: number, sizeBytes: number): Omit<RangeCase, 'kind'> {
  return {
    header: `bytes=${first}-${last}`,
    expected: first < sizeBytes ? { first, end: Math.min(last + 1, sizeBytes) } : undefined,
  };
}

/** Around a multiple of `unit` bytes: begins at most `before` bytes earlier, ends at most `after` bytes later. */
function around(
  random: SeededRandom,
  sizeBytes: number,
  unit: number,
  reach: number,
): Omit<RangeCase, 'kind'> {
  const border = random.between(0, Math.floor(sizeBytes / unit)) * unit;
  const first = Math.min(Math.max(0, border - random.between(0, reach)), sizeBytes - 1);
  return closed(first, Math.max(first, border + random.between(-1, reach)), sizeBytes);
}

const CASES: Readonly<Record<string, MakeCase>> = {
  'single byte': (random, size) => {
    const first = random.below(size);
    return closed(first, first, size);
  },
  'single byte at a border': (random, size) => around(random, size, BLOCK_BYTES, 1),
  'a few bytes': (random, size) => {
    const first = random.below(size);
    return closed(first, first + random.between(1, 5000), size);
  },
  'about a mebibyte': (random, size) => {
    const first = random.below(size);
    return closed(first, first + random.between(500_000, 1_500_000), size);
  },
  'across a chunk border': (random, size) => around(random, size, CHUNK_BYTES, 200_000),
  'across a block border': (random, size) => around(random, size, BLOCK_BYTES, 70_000),
  'exactly one chunk': (random, size) => {
    const first = random.below(Math.floor(size / CHUNK_BYTES)) * CHUNK_BYTES;
    return closed(first, first + CHUNK_BYTES - 1, size);
  },
  'several chunks': (random, size) => {
    const first = random.below(size);
    return closed(first, first + random.between(CHUNK_BYTES, LONG_BYTES), size);
  },
  suffix: (random, size) => {
    const length = random.between(1, 3_000_000);
    return { header: `bytes=-${length}`, expected: { first: Math.max(0, size - length), end: size } };
  },
  'open end': (random, size) => {
    const first = Math.max(0, size - random.between(1, 3_000_000));
    return { header: `bytes=${first}-`, expected: { first, end: size } };
  },
  'beyond the end': (random, size) => {
    const first = Math.max(0, size - random.between(1, 100_000));
    return closed(first, size + random.between(0, 1_000_000_000), size);
  },
  'nothing there': (random, size) => {
    const first = size + random.between(0, 1_000_000);
    return { header: `bytes=${first}-`, expected: undefined };
  },
};

/** The next range; every kind is as likely as the others, but for the longest ones. */
export function randomRangeCase(random: SeededRandom, sizeBytes: number): RangeCase {
  const kinds = Object.keys(CASES);
  let kind = random.pick(kinds);
  // A third of them is enough of what moves most of the bytes.
  if ((kind === 'several chunks' || kind === 'exactly one chunk') && random.below(3) > 0)
    kind = 'across a chunk border';
  return { kind, ...CASES[kind]!(random, sizeBytes) };
}
