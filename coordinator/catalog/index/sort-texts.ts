import type { Texts } from './texts.ts';

/**
 * The places of these texts in the order of their UTF-16 units, and where they are equal as they were. No text has the
 * unit 0.
 *
 * The next two units of a text and its place make one number each: sorting numbers is many times as fast as comparing
 * texts. Where the units are equal, those behind them decide.
 */
export function sortTexts(texts: Texts, numbers: Uint16Array | Uint32Array = allOf(texts)): Uint32Array {
  const pairs = new BigUint64Array(numbers.length);
  // The same again: a place, then the units.
  const halves = new Uint32Array(pairs.buffer);
  for (let place = 0; place < numbers.length; place++) halves[2 * place] = place;

  /** Those whose units before `depth` are equal. */
  function sort(from: number, to: number, depth: number): void {
    for (let at = from; at < to; at++) halves[2 * at + 1] = unitsAt(texts, numbers[halves[2 * at]!]!, depth);
    pairs.subarray(from, to).sort();
    for (let start = from; start < to; ) {
      const units = halves[2 * start + 1]!;
      let end = start + 1;
      while (end < to && halves[2 * end + 1] === units) end++;
      const haveEnded = (units & 0xffff) === 0;
      if (end - start > 1 && !haveEnded) sort(start, end, depth + 2);
      start = end;
    }
  }

  sort(0, numbers.length, 0);
  const places = new Uint32Array(numbers.length);
  for (let at = 0; at < places.length; at++) places[at] = halves[2 * at]!;
  return places;
}

/** Two units as one number; 0 stands for what is behind the end. */
function unitsAt(texts: Texts, number: number, depth: number): number {
  const starts = texts.starts.values;
  const at = starts[number]! + depth;
  const left = starts[number + 1]! - at;
  if (left <= 0) return 0;
  return (texts.units[at]! << 16) | (left > 1 ? texts.units[at + 1]! : 0);
}

/** At which place each number is. */
export function invertOrder(order: Uint16Array | Uint32Array): Uint32Array {
  const placeOf = new Uint32Array(order.length);
  for (let place = 0; place < order.length; place++) placeOf[order[place]!] = place;
  return placeOf;
}

function allOf(texts: Texts): Uint32Array {
  const numbers = new Uint32Array(texts.count);
  for (let number = 0; number < numbers.length; number++) numbers[number] = number;
  return numbers;
}
