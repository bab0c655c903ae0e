import { blockCount, chunkChecksum } from '../../lib/bytes/checksum.ts';
import { crc32 } from '../../lib/bytes/crc32.ts';
import { assert } from '../../lib/errors/app-error.ts';
import { CHUNK_ID_PATTERN } from '../../lib/node-api/targets.ts';
import { type IndexEntry, packBlocks, unpackBlocks } from './index-entry.ts';

/**
 * A chunk file is the chunk's bytes, zeros up to a multiple of SECTOR_BYTES, and one sector more: the trailer,
 * from which a lost index entry can be made again. So a file is whole sectors, as O_DIRECT wants it. The trailer,
 * big-endian:
 *
 *     0     8  "OVCHUNK" and the format version
 *     8     4  position
 *     12    4  length
 *     16    4  checksum
 *     20    8  created at, milliseconds since the epoch
 *     28    1  length of the id
 *     29    64 id
 *     96    n  the checksums of the blocks, four bytes each
 *     4092  4  CRC-32 of everything above
 */
export const SECTOR_BYTES = 4096;

const MAGIC = Buffer.from('OVCHUNK\x01', 'latin1');
const BLOCKS_OFFSET = 96;
const CRC_OFFSET = SECTOR_BYTES - 4;
const BLOCKS_MAX = (CRC_OFFSET - BLOCKS_OFFSET) / 4;

function roundUpToSector(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Length of the file of a chunk of that length. */
export function chunkFileBytes(lengthBytes: number): number {
  return roundUpToSector(lengthBytes) + SECTOR_BYTES;
}

/** Overwrites the sector `into` with the chunk's trailer. */
export function encodeTrailer(into: Buffer, entry: IndexEntry): void {
  assert(entry.blocks.length <= BLOCKS_MAX, 'the block checksums fit into the trailer');
  into.fill(0);
  MAGIC.copy(into);
  into.writeUInt32BE(entry.position, 8);
  into.writeUInt32BE(entry.length, 12);
  into.writeUInt32BE(entry.checksum, 16);
  into.writeBigUInt64BE(BigInt(entry.createdAt), 20);
  into[28] = entry.id.length;
  into.write(entry.id, 29, 'latin1');
  packBlocks(entry.blocks).copy(into, BLOCKS_OFFSET);
  into.writeUInt32BE(crc32(into.subarray(0, CRC_OFFSET)), CRC_OFFSET);
}

/** The entry that a trailer describes; undefined when it is damaged. */
export function decodeTrailer(sector: Buffer): IndexEntry | undefined {
  if (sector.length !== SECTOR_BYTES || !sector.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (sector.readUInt32BE(CRC_OFFSET) !== crc32(sector.subarray(0, CRC_OFFSET))) return undefined;
  const length = sector.readUInt32BE(12);
  const count = blockCount(length);
  if (length === 0 || count > BLOCKS_MAX) return undefined;
  const id = sector.toString('latin1', 29, 29 + sector[28]!);
  const blocks = unpackBlocks(sector.subarray(BLOCKS_OFFSET, BLOCKS_OFFSET + count * 4));
  const checksum = sector.readUInt32BE(16);
  if (!CHUNK_ID_PATTERN.test(id) || chunkChecksum(blocks) !== checksum) return undefined;
  return {
    position: sector.readUInt32BE(8),
    id,
    length,
    checksum,
    createdAt: Number(sector.readBigUInt64BE(20)),
    blocks,
    inline: undefined,
  };
}
