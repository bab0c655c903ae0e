/** The Castagnoli polynomial, its bits reversed. */
const POLYNOMIAL = 0x82f63b78;
/** What LevelDB adds to a checksum that is stored beside what it covers. */
const MASK_DELTA = 0xa282ead8;

/** Eight bytes are taken at a time: table k tells what a byte does to the sum that k more bytes follow. */
const TABLES = makeTables();

/** CRC-32C of RFC 3720, as an unsigned number. Node has CRC-32 only, which has another polynomial. */
export function crc32c(bytes: Buffer): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  let sum = 0xffffffff;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low = sum ^ bytes.readUInt32LE(at);
    const high = bytes.readUInt32LE(at + 4);
    sum =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[high & 0xff]! ^
      t2[(high >>> 8) & 0xff]! ^
      t1[(high >>> 16) & 0xff]! ^
      t0[high >>> 24]!;
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ t0[(sum ^ bytes[at]!) & 0xff]!;
  return ~sum >>> 0;
}

/** The checksum that LevelDB stored as `masked`. */
export function unmask(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

function makeTables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
    return sum;
  });
  const tables = [first];
  for (let k = 1; k < 8; k++) {
    const before = tables[k - 1]!;
    tables.push(before.map((sum) => (sum >>> 8) ^ first[sum & 0xff]!));
  }
  return tables;
}
