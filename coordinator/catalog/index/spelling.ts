/** Edits that a word of this length may need. */
export function editsAllowed(length: number, isGenerous: boolean): number {
  if (length <= 1) return 0;
  if (length <= 2) return isGenerous ? 1 : 0;
  if (length <= 4) return 1;
  return length <= 6 && !isGenerous ? 1 : 2;
}

/** A bit for each character that occurs, 32 classes of them: words that differ much differ here. */
export function maskOf(text: string, from = 0): number {
  let mask = 0;
  for (let at = from; at < text.length; at++) mask |= 1 << (text.charCodeAt(at) & 31);
  return mask >>> 0;
}

/** The same of a text that is no string. */
export function maskOfUnits(units: Uint16Array, from: number, to: number): number {
  let mask = 0;
  for (let at = from; at < to; at++) mask |= 1 << (units[at]! & 31);
  return mask >>> 0;
}

/** How many characters one of the words has and the other has not, at least. */
export function maskDistance(a: number, b: number): number {
  let bits = a ^ b;
  bits -= (bits >>> 1) & 0x55555555;
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** Rows of the table of distances; words are shorter than this. */
const ROW_LENGTH = 64;
const rows = [new Uint8Array(ROW_LENGTH), new Uint8Array(ROW_LENGTH), new Uint8Array(ROW_LENGTH)] as const;

/**
 * Insertions, deletions, substitutions and swaps of neighbours between two words of less than 64 characters (optimal
 * string alignment); any number beyond `max` when there are more.
 */
export function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max || b.length >= ROW_LENGTH) return max + 1;
  let [beforeLast, last, current] = rows as unknown as [Uint8Array, Uint8Array, Uint8Array];
  for (let j = 0; j <= b.length; j++) last[j] = j;
  for (let i = 1; i <= a.length; i++) {
    current[0] = i;
    let least = i;
    const letter = a.charCodeAt(i - 1);
    const before = i > 1 ? a.charCodeAt(i - 2) : -1;
    for (let j = 1; j <= b.length; j++) {
      const other = b.charCodeAt(j - 1);
      let value = last[j - 1]! + (letter === other ? 0 : 1);
      if (last[j]! < value) value = last[j]! + 1;
      if (current[j - 1]! < value) value = current[j - 1]! + 1;
      if (j > 1 && before === other && letter === b.charCodeAt(j - 2) && beforeLast[j - 2]! < value) {
        value = beforeLast[j - 2]! + 1;
      }
      current[j] = value;
      if (value < least) least = value;
    }
    if (least > max) return max + 1;
    const free = beforeLast;
    beforeLast = last;
    last = current;
    current = free;
  }
  return last[b.length]!;
}
