import { expect, it } from 'vitest';
import createXxhash from 'xxhash-wasm';
import { BufferPool, type PooledBuffer } from './buffer-pool.ts';
import { HASHED_BYTES } from './xxh64-wasm.ts';

const PADDING = 64;

/** A buffer with one block and something around it, all of it random. */
function filledBuffer(): PooledBuffer {
  const buffer = new BufferPool({ bufferBytes: 2 * HASHED_BYTES, capacity: 2, hashing: true }).tryTake()!;
  let state = 1;
  for (let index = 0; index < buffer.bytes.length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    buffer.bytes[index] = state >>> 16;
  }
  return buffer;
}

function hashAt({ bytes, hasher }: PooledBuffer, offset: number): bigint {
  const lower = hasher!.hash(bytes.byteOffset + offset);
  return BigInt.asUintN(64, (BigInt(hasher!.upperHalf()) << 32n) | BigInt.asUintN(32, BigInt(lower)));
}

it('is XXH64, wherever the block lies', async () => {
  const { h64Raw } = await createXxhash();
  const buffer = filledBuffer();
  for (const offset of [0, 1, 7, 8, PADDING, HASHED_BYTES]) {
    const block = new Uint8Array(buffer.bytes.subarray(offset, offset + HASHED_BYTES));
    expect(hashAt(buffer, offset)).toBe(h64Raw(block));
  }
  buffer.bytes.fill(0);
  expect(hashAt(buffer, 0)).toBe(h64Raw(new Uint8Array(HASHED_BYTES)));
});

it('changes with every bit of the block, and with nothing around it', () => {
  const buffer = filledBuffer();
  const { bytes } = buffer;
  const sound = hashAt(buffer, PADDING);
  const seen = new Set([sound]);
  // Every bit of the first and last stripes, and one bit of every byte between.
  for (let index = 0; index < HASHED_BYTES; index++) {
    const bits = index < 64 || index >= HASHED_BYTES - 64 ? 8 : 1;
    for (let bit = 0; bit < bits; bit++) {
      const mask = 1 << (bits === 1 ? index % 8 : bit);
      bytes[PADDING + index]! ^= mask;
      seen.add(hashAt(buffer, PADDING));
      bytes[PADDING + index]! ^= mask;
    }
  }
  expect(seen.size).toBe(1 + HASHED_BYTES + 2 * 64 * 7);
  bytes[PADDING - 1]! ^= 1;
  bytes[PADDING + HASHED_BYTES]! ^= 1;
  expect(hashAt(buffer, PADDING)).toBe(sound);
});
