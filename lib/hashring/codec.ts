import { adopt, checkLayout, createLayout, type Layout } from './layout.ts';
import type { Member } from './members.ts';
import { RingError } from './ring-error.ts';
import { hashBytes } from './xxhash32.ts';

/*
 * A layout as bytes, little-endian:
 *   4  magic "ORBT"        2  version (1)         2  replicas
 *   4  range count         4  member count        8  epoch
 *   for each member: 1 length + id in UTF-8, 1 length + zone in UTF-8, 4 weight
 *   2 for each slot: index of the owner
 *   4  XXH32 of everything before it
 */
const MAGIC = 0x5442524f;
const VERSION = 1;
const HEADER_BYTES = 24;
const CHECKSUM_BYTES = 4;
const CHECKSUM_SEED = 0xc5;

const encoder = new TextEncoder();
// A mark is a character like any other in an id: it has to survive.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function corrupt(reason: string): RingError {
  return new RingError('corrupt_table', `corrupt layout: ${reason}`);
}

/** The layout as bytes: the same layout gives the same bytes everywhere. */
export function encodeLayout(layout: Layout): Uint8Array {
  const { epoch, members, rangeCount, replicas, table } = adopt(layout);
  const names = members.map(({ id, zone }) => ({ id: encoder.encode(id), zone: encoder.encode(zone) }));
  const namesBytes = names.reduce((sum, { id, zone }) => sum + id.length + zone.length + 6, 0);
  const bytes = new Uint8Array(HEADER_BYTES + namesBytes + table.length * 2 + CHECKSUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, replicas, true);
  view.setUint32(8, rangeCount, true);
  view.setUint32(12, members.length, true);
  view.setBigUint64(16, BigInt(epoch), true);
  let offset = HEADER_BYTES;
  for (const [index, { id, zone }] of names.entries()) {
    for (const name of [id, zone]) {
      view.setUint8(offset, name.length);
      bytes.set(name, offset + 1);
      offset += 1 + name.length;
    }
    view.setUint32(offset, members[index]!.weight, true);
    offset += 4;
  }
  for (const owner of table) {
    view.setUint16(offset, owner, true);
    offset += 2;
  }
  view.setUint32(offset, hashBytes(bytes.subarray(0, offset), CHECKSUM_SEED), true);
  return bytes;
}

/** Reads what `encodeLayout` wrote, and believes none of it unchecked. Throws `corrupt_table`. */
export function decodeLayout(bytes: Uint8Array): Layout {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES) throw corrupt('too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - CHECKSUM_BYTES;
  if (view.getUint32(0, true) !== MAGIC) throw corrupt('wrong magic');
  if (view.getUint16(4, true) !== VERSION) throw corrupt(`unknown version ${view.getUint16(4, true)}`);
  if (view.getUint32(end, true) !== hashBytes(bytes.subarray(0, end), CHECKSUM_SEED)) {
    throw corrupt('wrong checksum');
  }
  const replicas = view.getUint16(6, true);
  const rangeCount = view.getUint32(8, true);
  const { members, offset } = readMembers(bytes.subarray(0, end), view.getUint32(12, true));
  // Lengths first: a count that the bytes do not bear out must not decide how much memory is taken.
  if (end - offset !== rangeCount * replicas * 2) throw corrupt('wrong table length');
  const table = new Uint16Array(rangeCount * replicas);
  for (let slot = 0; slot < table.length; slot++) table[slot] = view.getUint16(offset + slot * 2, true);
  const fields = { epoch: Number(view.getBigUint64(16, true)), rangeCount, replicas, members, table };
  try {
    checkLayout(fields);
  } catch (error) {
    throw error instanceof RingError ? corrupt(error.message) : error;
  }
  return createLayout(fields);
}

function readMembers(bytes: Uint8Array, count: number): { members: readonly Member[]; offset: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = HEADER_BYTES;
  const take = (length: number): number => {
    if (offset + length > bytes.length) throw corrupt('members run past the end');
    offset += length;
    return offset - length;
  };
  const takeName = (): string => {
    const length = view.getUint8(take(1));
    const start = take(length);
    try {
      return decoder.decode(bytes.subarray(start, start + length));
    } catch {
      throw corrupt('a name is not UTF-8');
    }
  };
  const members: Member[] = [];
  for (let index = 0; index < count; index++) {
    const id = takeName();
    const zone = takeName();
    members.push(Object.freeze({ id, zone, weight: view.getUint32(take(4), true) }));
  }
  return { members: Object.freeze(members), offset };
}
