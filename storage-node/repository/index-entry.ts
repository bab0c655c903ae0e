import { blockCount } from '../../lib/bytes/checksum.ts';
import { crc32 } from '../../lib/bytes/crc32.ts';
import { CHUNK_ID_PATTERN } from '../../lib/node-api/targets.ts';
import type { ChunkEntry } from './video-repository.ts';

/**
 * An entry of the index. Key: the position as four big-endian bytes, then the id. Value, big-endian:
 *
 *     0   1  format version
 *     1   1  1: the chunk has a file, 2: its bytes are in here
 *     2   2  zero
 *     4   4  length
 *     8   4  checksum
 *     12  8  created at, milliseconds since the epoch
 *     20  n  the checksums of its blocks (four bytes each), or its bytes
 *     -4  4  CRC-32 of the key and everything above
 */
export interface IndexEntry extends ChunkEntry {
  /** Checksum of every block. */
  readonly blocks: Uint32Array;
  /** The chunk's bytes, when they live in the index. */
  readonly inline: Buffer | undefined;
}

/** What the index says about a key; `entry` is undefined when its value is damaged. */
export interface IndexRecord {
  readonly position: number;
  readonly id: string;
  readonly entry: IndexEntry | undefined;
  /** What a damaged entry's block checksums or inline bytes take. */
  readonly bodyBytes?: number;
  /** The part of the index where it would be cannot be read: maybe it was never there. */
  readonly unreadable?: boolean;
}

const FORMAT_VERSION = 1;
const POSITION_BYTES = 4;
const HEAD_BYTES = 20;
const CRC_BYTES = 4;
const IN_FILE = 1;
const INLINE = 2;

export function encodeKey(position: number, id: string): Buffer {
  const key = Buffer.allocUnsafe(4 + id.length);
  key.writeUInt32BE(position >>> 0, 0);
  key.write(id, 4, 'latin1');
  return key;
}

/** The chunk whose key it is; undefined when it is no chunk's. Nothing else may ever name a file. */
export function decodeKey(key: Buffer): { position: number; id: string } | undefined {
  if (key.length < POSITION_BYTES) return undefined;
  const id = key.toString('latin1', POSITION_BYTES);
  return CHUNK_ID_PATTERN.test(id) ? { position: key.readUInt32BE(0), id } : undefined;
}

/** `key` is the entry's `encodeKey`. */
export function encodeEntry(key: Buffer, entry: IndexEntry): Buffer {
  const body = entry.inline ?? packBlocks(entry.blocks);
  const value = Buffer.alloc(HEAD_BYTES + body.length + CRC_BYTES);
  value[0] = FORMAT_VERSION;
  value[1] = entry.inline ? INLINE : IN_FILE;
  value.writeUInt32BE(entry.length, 4);
  value.writeUInt32BE(entry.checksum, 8);
  value.writeBigUInt64BE(BigInt(entry.createdAt), 12);
  body.copy(value, HEAD_BYTES);
  const covered = value.length - CRC_BYTES;
  value.writeUInt32BE(crc32(value.subarray(0, covered), crc32(key)), covered);
  return value;
}

/** Length of the block checksums or bytes in a value. */
export function bodyBytesOf(value: Buffer): number {
  return Math.max(0, value.length - HEAD_BYTES - CRC_BYTES);
}

/** Undefined when the value is damaged. An inline entry's bytes are a part of `value`. */
export function decodeEntry(key: Buffer, value: Buffer): IndexEntry | undefined {
  const covered = value.length - CRC_BYTES;
  if (covered < HEAD_BYTES || value[0] !== FORMAT_VERSION) return undefined;
  if (value.readUInt32BE(covered) !== crc32(value.subarray(0, covered), crc32(key))) return undefined;
  const chunk = decodeKey(key);
  const length = value.readUInt32BE(4);
  const body = value.subarray(HEAD_BYTES, covered);
  const inline = value[1] === INLINE;
  if (!chunk || body.length !== (inline ? length : blockCount(length) * 4)) return undefined;
  return {
    ...chunk,
    length,
    checksum: value.readUInt32BE(8),
    createdAt: Number(value.readBigUInt64BE(12)),
    blocks: inline ? Uint32Array.of(crc32(body)) : unpackBlocks(body),
    inline: inline ? body : undefined,
  };
}

export function packBlocks(blocks: Uint32Array): Buffer {
  const packed = Buffer.allocUnsafe(blocks.length * 4);
  for (let index = 0; index < blocks.length; index++) packed.writeUInt32BE(blocks[index]!, index * 4);
  return packed;
}

export function unpackBlocks(packed: Buffer): Uint32Array {
  const blocks = new Uint32Array(packed.length / 4);
  for (let index = 0; index < blocks.length; index++) blocks[index] = packed.readUInt32BE(index * 4);
  return blocks;
}
