/**
 * How one segment of a virtual rendition is made of its source: bytes of its own, which are sent first, and after them
 * ranges of the source in this order.
 */
export interface Recipe {
  /** `moof`, and the header of the `mdat` whose content the ranges are. */
  readonly header: Uint8Array;
  readonly ranges: readonly SourceRange[];
}

export interface SourceRange {
  /** In bytes, from the source's first one on. */
  readonly offset: number;
  readonly length: number;
}

/** More would read the source in crumbs. */
export const RECIPE_RANGES_MAX = 4096;
/**
 * Ranges with no more than this between them are read as one, and what lies between is dropped: nodes read and verify whole
 * blocks anyway, and a request costs more than that many bytes.
 */
export const RECIPE_GAP_BYTES_MAX = 64 * 1024;
/** Readings that a segment may take in that way. */
export const RECIPE_READINGS_MAX = 512;
export const RECIPE_HEADER_BYTES_MAX = 1024 * 1024;
/** Where the last range may end: a petabyte, so that differences of offsets stay exact numbers. */
const RANGE_END_MAX = 2 ** 50;
/** What a segment may have, header and ranges together. */
export const RECIPE_SERVED_BYTES_MAX = 2 ** 31 - 1;

/** Bytes are no recipe, or it does not fit its source. */
export class RecipeError extends Error {
  override readonly name = 'RecipeError';
}

/*
 * A recipe as bytes: version (1), then as LEB128 numbers the header's length and the number of ranges; for each range
 * where it begins, as zigzag of the difference from the end of the range before (of the source's beginning for the
 * first one), and its length; then the header, up to the end of the recipe.
 */
const VERSION = 1;
/** Seven bits each: more than any number within the bounds needs. */
const NUMBER_BYTES_MAX = 8;

/** The recipe as bytes, about 5 bytes a range besides the header. Throws RecipeError beyond the bounds above. */
export function encodeRecipe(recipe: Recipe): Uint8Array {
  const { header, ranges } = recipe;
  check(header.length, ranges);
  const bytes = new Uint8Array(1 + (2 + ranges.length * 2) * NUMBER_BYTES_MAX + header.length);
  let at = 0;
  const put = (value: number): void => {
    let rest = value;
    while (rest >= 0x80) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[at++] = rest;
  };
  bytes[at++] = VERSION;
  put(header.length);
  put(ranges.length);
  let end = 0;
  for (const { offset, length } of ranges) {
    const step = offset - end;
    put(step < 0 ? -step * 2 - 1 : step * 2);
    put(length);
    end = offset + length;
  }
  bytes.set(header, at);
  return bytes.slice(0, at + header.length);
}

/**
 * Reads what `encodeRecipe` wrote and believes none of it unchecked: all ranges lie within a source of `sourceBytes`.
 * The header is a view of `bytes`. Throws RecipeError.
 */
export function decodeRecipe(bytes: Uint8Array, sourceBytes: number): Recipe {
  let at = 0;
  const take = (): number => {
    let value = 0;
    for (let place = 0; place < NUMBER_BYTES_MAX; place++) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RecipeError('a recipe ends early');
      value += (byte & 0x7f) * 0x80 ** place;
      if (byte < 0x80) return value;
    }
    throw new RecipeError('a number in a recipe is too long');
  };
  const version = bytes[at++];
  if (version !== VERSION) throw new RecipeError(`unknown version of recipe: ${version}`);
  const headerLength = take();
  const rangeCount = take();
  if (rangeCount > RECIPE_RANGES_MAX) throw new RecipeError(`too many ranges: ${rangeCount}`);
  const ranges: SourceRange[] = [];
  let end = 0;
  for (let index = 0; index < rangeCount; index++) {
    const step = take();
    const offset = end + (step % 2 === 1 ? -(step + 1) / 2 : step / 2);
    const length = take();
    end = offset + length;
    if (end > sourceBytes) throw new RecipeError('a range ends after its source');
    ranges.push({ offset, length });
  }
  if (bytes.length - at !== headerLength) throw new RecipeError('the header is not as long as it says');
  check(headerLength, ranges);
  return { header: bytes.subarray(at), ranges };
}

/** Bytes of the segment that the recipe makes. */
export function servedLengthOf(recipe: Recipe): number {
  return recipe.ranges.reduce((sum, { length }) => sum + length, recipe.header.length);
}

function check(headerLength: number, ranges: readonly SourceRange[]): void {
  if (headerLength > RECIPE_HEADER_BYTES_MAX) throw new RecipeError('the header is too long');
  if (ranges.length > RECIPE_RANGES_MAX) throw new RecipeError(`too many ranges: ${ranges.length}`);
  let served = headerLength;
  for (const { offset, length } of ranges) {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RecipeError('a range begins nowhere');
    if (!Number.isSafeInteger(length) || length < 1) throw new RecipeError('a range has no bytes');
    if (offset + length > RANGE_END_MAX) throw new RecipeError('a range ends too far from the beginning');
    served += length;
  }
  if (served > RECIPE_SERVED_BYTES_MAX) throw new RecipeError('the segment is too long');
}
