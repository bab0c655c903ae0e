import { crc32 as crc32OfNode } from 'node:zlib';

/** The CRC-32 of zlib, PNG and Ethernet. `before` is that of the bytes which come before these. */
type Crc32 = (bytes: Uint8Array, before?: number) => number;

/**
 * CRC-32 by the processor's own instructions (carry-less multiplication). Node's is made of tables and takes more than
 * twice the time, which was a tenth of all CPU time of an upload. Where the package has nothing for the platform, or
 * what it has computes anything else than Node does, Node's is taken.
 */
export const crc32: Crc32 = (await loadNative()) ?? crc32OfNode;

/** Whether `crc32` is the fast one. */
export const isNativeCrc32 = crc32 !== crc32OfNode;

async function loadNative(): Promise<Crc32 | undefined> {
  try {
    const native: { readonly crc32: Crc32 } = await import('@node-rs/crc32');
    return agrees(native.crc32) ? native.crc32 : undefined;
  } catch {
    return undefined;
  }
}

/** Lengths on both sides of where implementations change their ways, at every alignment that matters to them. */
function agrees(candidate: Crc32): boolean {
  const bytes = Uint8Array.from({ length: 1100 }, (_, index) => (index * 167 + (index >> 3)) & 0xff);
  for (const length of [0, 1, 15, 16, 63, 64, 127, 128, 129, 255, 256, 1024]) {
    for (let start = 0; start < 16; start += 5) {
      const part = bytes.subarray(start, start + length);
      if (candidate(part) !== crc32OfNode(part)) return false;
      if (candidate(part, 0x89ab_cdef) !== crc32OfNode(part, 0x89ab_cdef)) return false;
    }
  }
  return true;
}
