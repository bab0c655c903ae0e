/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What a Range header asks for: everything (also when the header is to be ignored), nothing that exists, or parts. */
export type RangeSelection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'parts'; readonly parts: readonly ByteRange[] };

const WHOLE: RangeSelection = { kind: 'whole' };
const UNSATISFIABLE: RangeSelection = { kind: 'unsatisfiable' };

/**
 * Reads a Range header (RFC 9110 section 14.2) for a representation of `size` bytes. A malformed header and an
 * unknown unit select the whole; ranges that overlap or touch are joined and stand where the first of them
 * stood; more than `rangesMax` that remain are refused as unsatisfiable.
 */
export function selectRanges(header: string, size: number, rangesMax: number): RangeSelection {
  const equals = header.indexOf('=');
  if (equals < 0 || header.slice(0, equals).trim().toLowerCase() !== 'bytes') return WHOLE;

  const wanted: ByteRange[] = [];
  let specs = 0;
  for (const element of header.slice(equals + 1).split(',')) {
    const spec = element.trim();
    // A list may have empty elements (RFC 9110 section 5.6.1.2).
    if (spec === '') continue;
    specs += 1;
    const range = readSpec(spec, size);
    if (range === 'malformed') return WHOLE;
    if (range !== 'unsatisfiable') wanted.push(range);
  }
  if (specs === 0) return WHOLE;
  if (wanted.length === 0) return UNSATISFIABLE;
  const parts = wanted.length === 1 ? wanted : join(wanted);
  return parts.length > rangesMax ? UNSATISFIABLE : { kind: 'parts', parts };
}

/** `first` and `last` may have any number of digits: what lies beyond the end is cut to `size`. */
function readSpec(spec: string, size: number): ByteRange | 'malformed' | 'unsatisfiable' {
  const match = /^(\d*)-(\d*)$/.exec(spec);
  if (match === null) return 'malformed';
  const [, first, last] = match as unknown as [string, string, string];
  if (first === '') {
    if (last === '') return 'malformed';
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  if (last !== '' && isLess(last, first)) return 'malformed';
  if (Number(first) >= size) return 'unsatisfiable';
  return { first: Number(first), last: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** Compares decimal digits exactly, however many there are. */
function isLess(left: string, right: string): boolean {
  const a = left.replace(/^0+/, '');
  const b = right.replace(/^0+/, '');
  return a.length === b.length ? a < b : a.length < b.length;
}

function join(ranges: readonly ByteRange[]): ByteRange[] {
  const sorted = ranges
    .map((range, order) => ({ first: range.first, last: range.last, order }))
    .sort((a, b) => a.first - b.first);
  const joined: (typeof sorted)[number][] = [];
  for (const range of sorted) {
    const previous = joined.at(-1);
    if (previous !== undefined && range.first <= previous.last + 1) {
      previous.last = Math.max(previous.last, range.last);
      previous.order = Math.min(previous.order, range.order);
    } else {
      joined.push(range);
    }
  }
  return joined.sort((a, b) => a.order - b.order).map(({ first, last }) => ({ first, last }));
}
