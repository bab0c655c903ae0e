import { expect, test } from 'vitest';
import { positionOf } from '../../lib/hashring/index.ts';
import { CHUNK_ID_PATTERN } from '../../lib/node-api/targets.ts';
import {
  createChunkId,
  createRecordChunkId,
  createRecordToken,
  objectIdOf,
  recordPartOf,
} from './chunk-id.ts';

const objectId = '0197a3c2-5d1e-7b44-9c0f-1a2b3c4d5e6f';
const random = Uint8Array.from([0xde, 0xad, 0xbe, 0xef]);

test('a chunk id is the object, the sequence and the random part', () => {
  expect(createChunkId(objectId, 10, random)).toBe('0197a3c25d1e7b449c0f1a2b3c4d5e6f-0000000adeadbeef');
});

test('a chunk id is one that storage nodes accept', () => {
  expect(createChunkId(objectId, 2 ** 32 - 1, random)).toMatch(CHUNK_ID_PATTERN);
});

test('a chunk id leads back to its object', () => {
  expect(objectIdOf(createChunkId(objectId, 7, random))).toBe(objectId);
});

test('chunks of one object differ by sequence and by random part', () => {
  const other = Uint8Array.from([0, 0, 0, 1]);
  const ids = [createChunkId(objectId, 0, random), createChunkId(objectId, 1, random)];
  ids.push(createChunkId(objectId, 0, other));
  expect(new Set(ids).size).toBe(3);
});

test('the id of a record chunk says which part of which record it is, and nodes accept it', () => {
  const token = createRecordToken(random);
  for (const [version, part, parts] of [
    [1, 0, 1],
    [2 ** 32 - 1, 65_534, 65_535],
  ] as const) {
    const id = createRecordChunkId({ objectId, version, token, part, parts });
    expect(id).toMatch(CHUNK_ID_PATTERN);
    expect(recordPartOf(id)).toEqual({ objectId, version, token, part, parts });
    expect(objectIdOf(id)).toBe(objectId);
  }
  expect(recordPartOf(createChunkId(objectId, 0, random))).toBeUndefined();
});

test.each([
  'something-else',
  '0197a3c25d1e7b449c0f1a2b3c4d5e6f',
  '0197a3c25d1e7b449c0f1a2b3c4d5e6f-0000000adeadbee',
  '0197a3c25d1e7b449c0f1a2b3c4d5e6f-0000000adeadbeef0',
  '0197A3C25D1E7B449C0F1A2B3C4D5E6F-0000000ADEADBEEF',
  '0197a3c25d1e7b449c0f1a2b3c4d5e6f-r0000000100000001deadbee',
])('no object is read from the foreign id %s', (id) => {
  expect(objectIdOf(id)).toBeUndefined();
});

test('a position is an unsigned 32-bit number that depends on the whole id', () => {
  const first = positionOf(createChunkId(objectId, 0, random));
  const second = positionOf(createChunkId(objectId, 1, random));
  for (const position of [first, second]) {
    expect(Number.isInteger(position) && position >= 0 && position < 2 ** 32).toBe(true);
  }
  expect(first).not.toBe(second);
});
