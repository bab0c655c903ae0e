/**
 * XXH32 after its public specification, for strings (of their UTF-8 form) and for bytes. Written out here
 * because a lookup hashes one short ASCII string: reading its characters directly costs less than copying
 * them into a WebAssembly memory, and needs no asynchronous start. The tests compare it with xxhash-wasm.
 */
const PRIME_1 = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

const encoder = new TextEncoder();

function round(lane: number, word: number): number {
  const mixed = (lane + Math.imul(word, PRIME_2)) | 0;
  return Math.imul((mixed << 13) | (mixed >>> 19), PRIME_1);
}

function absorbWord(hash: number, word: number): number {
  const mixed = (hash + Math.imul(word, PRIME_3)) | 0;
  return Math.imul((mixed << 17) | (mixed >>> 15), PRIME_4);
}

function absorbByte(hash: number, byte: number): number {
  const mixed = (hash + Math.imul(byte, PRIME_5)) | 0;
  return Math.imul((mixed << 11) | (mixed >>> 21), PRIME_1);
}

function converge(a: number, b: number, c: number, d: number): number {
  return (
    (((a << 1) | (a >>> 31)) +
      ((b << 7) | (b >>> 25)) +
      ((c << 12) | (c >>> 20)) +
      ((d << 18) | (d >>> 14))) |
    0
  );
}

function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  mixed = Math.imul(mixed ^ (mixed >>> 13), PRIME_3);
  return mixed ^ (mixed >>> 16);
}

/** Four characters as one little-endian word, which ASCII leaves without its highest bit; or -1 if not ASCII. */
function asciiWord(text: string, index: number): number {
  const one = text.charCodeAt(index);
  const two = text.charCodeAt(index + 1);
  const three = text.charCodeAt(index + 2);
  const four = text.charCodeAt(index + 3);
  return (one | two | three | four) > 0x7f ? -1 : one | (two << 8) | (three << 16) | (four << 24);
}

/** The hash as a signed number: V8 returns those from a call without allocating, but not all unsigned ones. */
function digestString(text: string, seed: number): number {
  const length = text.length;
  let index = 0;
  let hash = (seed + PRIME_5) | 0;
  // Every word read goes into `signs`: it turns negative as soon as one of them was not ASCII.
  let signs = 0;
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0;
    let b = (seed + PRIME_2) | 0;
    let c = seed | 0;
    let d = (seed - PRIME_1) | 0;
    for (; index + 16 <= length; index += 16) {
      const first = asciiWord(text, index);
      const second = asciiWord(text, index + 4);
      const third = asciiWord(text, index + 8);
      const fourth = asciiWord(text, index + 12);
      signs |= first | second | third | fourth;
      a = round(a, first);
      b = round(b, second);
      c = round(c, third);
      d = round(d, fourth);
    }
    hash = converge(a, b, c, d);
  }
  hash = (hash + length) | 0;
  for (; index + 4 <= length; index += 4) {
    const word = asciiWord(text, index);
    signs |= word;
    hash = absorbWord(hash, word);
  }
  for (; index < length; index++) {
    const byte = text.charCodeAt(index);
    if (byte > 0x7f) signs = -1;
    hash = absorbByte(hash, byte);
  }
  return signs < 0 ? digestBytes(encoder.encode(text), seed) : avalanche(hash);
}

/** XXH32 of a string's UTF-8 bytes, as an unsigned 32-bit number. */
export function hashString(text: string, seed: number): number {
  return digestString(text, seed) >>> 0;
}

function digestBytes(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length;
  let index = 0;
  let hash = (seed + PRIME_5) | 0;
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0;
    let b = (seed + PRIME_2) | 0;
    let c = seed | 0;
    let d = (seed - PRIME_1) | 0;
    for (; index + 16 <= length; index += 16) {
      a = round(a, view.getInt32(index, true));
      b = round(b, view.getInt32(index + 4, true));
      c = round(c, view.getInt32(index + 8, true));
      d = round(d, view.getInt32(index + 12, true));
    }
    hash = converge(a, b, c, d);
  }
  hash = (hash + length) | 0;
  for (; index + 4 <= length; index += 4) hash = absorbWord(hash, view.getInt32(index, true));
  for (; index < length; index++) hash = absorbByte(hash, bytes[index]!);
  return avalanche(hash);
}

/** XXH32 of bytes, as an unsigned 32-bit number. */
export function hashBytes(bytes: Uint8Array, seed: number): number {
  return digestBytes(bytes, seed) >>> 0;
}

/** XXH32 of two 32-bit words (little-endian, in this order), without building their bytes. */
export function hashWords(first: number, second: number, seed: number): number {
  return avalanche(absorbWord(absorbWord((seed + PRIME_5 + 8) | 0, first), second)) >>> 0;
}
