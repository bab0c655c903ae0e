import { randomBytes } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { positionOf } from '../../lib/hashring/index.ts';
import { createChunkId } from '../objects/chunk-id.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { decodeRecord, encodeRecord, RecordError, type VideoRecord } from './record-codec.ts';

const objectId = '0197a3c2-5d1e-7b44-9c0f-1a2b3c4d5e6f';

function recordOf(chunkCount: number, video: Partial<VideoRecord['video']> = {}): VideoRecord {
  const random = randomBytes(chunkCount * 8);
  const chunks = Array.from({ length: chunkCount }, (_, index): ChunkRef => {
    const id = createChunkId(objectId, index, random.subarray(index * 8));
    const checksum = random.readUInt32BE(index * 8 + 4);
    return { id, position: positionOf(id), length: 8_388_608 - index, checksum };
  });
  return {
    cluster: { id: '0197a3c2-5d1e-7b44-9c0f-000000000000', replicas: 3, ranges: 4096 },
    objectId,
    size: chunks.reduce((sum, { length }) => sum + length, 0),
    sha256: Uint8Array.from(randomBytes(32)),
    chunks,
    video: {
      id: '0197a3c2-5d1e-7b44-9c0f-111111111111',
      title: 'Ünïcode \u{1f600}\u2028',
      description: 'Line 1\nLine 2',
      filename: null,
      contentType: 'video/mp4',
      ownerId: '0197a3c2-5d1e-7b44-9c0f-222222222222',
      visibility: 'private',
      version: 7,
      createdAt: new Date('2026-01-02T03:04:05.678Z'),
      updatedAt: new Date('2026-02-02T03:04:05.000Z'),
      ...video,
    },
    attachments: [],
  };
}

test('attachments come back with their chunks', async () => {
  const [attached] = recordOf(2).chunks;
  const objectId = '0197a3c2-5d1e-7b44-9c0f-333333333333';
  const id = createChunkId(objectId, 0, randomBytes(4));
  const attachment = {
    ...{
      objectId,
      name: 'en.vtt',
      kind: 'captions' as const,
      language: 'en',
      label: null,
      contentType: 'text/vtt',
    },
    ...{ size: attached!.length, sha256: Uint8Array.from(randomBytes(32)), createdAt: new Date(1e12) },
    chunks: [{ id, position: positionOf(id), length: attached!.length, checksum: 7 }],
  };
  const record = { ...recordOf(2), attachments: [attachment] };
  expect(await decodeRecord([await encodeRecord(record)])).toEqual(record);
});

test.each([0, 1, 200, 201, 5000])('a record of %i chunks comes back as it went in', async (chunkCount) => {
  const record = recordOf(chunkCount, { description: 'x\n'.repeat(10_000), filename: 'a "b".mp4' });
  expect(await decodeRecord([await encodeRecord(record)])).toEqual(record);
});

test("the record of a small video fits a node's index", async () => {
  expect((await encodeRecord(recordOf(4))).length).toBeLessThan(1024);
});

test('a record of 131,072 chunks takes little room and comes back from pieces of any length', async () => {
  const record = recordOf(131_072);
  const bytes = await encodeRecord(record);
  expect(bytes.length).toBeLessThan(3 * 1024 * 1024);
  const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 100_000), bytes.subarray(100_000)];
  const decoded = await decodeRecord(pieces);
  expect(decoded.chunks).toHaveLength(131_072);
  expect(JSON.stringify(decoded)).toBe(JSON.stringify(record));
});

test('any damaged byte is found, or is no damage', async () => {
  const record = recordOf(3);
  const bytes = await encodeRecord(record);
  let harmless = 0;
  for (let index = 0; index < bytes.length; index++) {
    const damaged = Buffer.from(bytes);
    damaged[index]! ^= 1 << (index % 8);
    const read = await decodeRecord([damaged]).catch((error: unknown) => error);
    // A few bits of a compressed stream mean nothing, such as those that fill its last byte.
    const isFound = read instanceof RecordError;
    harmless += isFound ? 0 : 1;
    expect(read, `byte ${index}`).toEqual(isFound ? expect.objectContaining({ fault: 'damaged' }) : record);
  }
  expect(harmless).toBeLessThan(4);
});

test('a record that is cut short is found', async () => {
  const bytes = await encodeRecord(recordOf(1500));
  for (const length of [0, 1, 100, bytes.length - 1]) {
    await expect(decodeRecord([bytes.subarray(0, length)])).rejects.toMatchObject({ fault: 'damaged' });
  }
});

async function changed(change: (lines: string[]) => string[], chunkCount = 3): Promise<Buffer> {
  const text = inflateSync(await encodeRecord(recordOf(chunkCount))).toString();
  return deflateSync(
    change(text.trimEnd().split('\n'))
      .map((line) => `${line}\n`)
      .join(''),
  );
}

test.each<[string, (lines: string[]) => string[], string]>([
  [
    'a later format',
    ([head, ...rest]) => [head!.replace('"format":1', '"format":2'), ...rest],
    'unknown_format',
  ],
  [
    'another kind',
    ([head, ...rest]) => [head!.replace('"kind":"video"', '"kind":"poster"'), ...rest],
    'unknown_format',
  ],
  ['no object', () => ['7'], 'unknown_format'],
  ['nothing', () => [], 'damaged'],
  ['a line less', ([head]) => [head!], 'damaged'],
  ['a line more', ([head, chunks]) => [head!, chunks!, chunks!], 'damaged'],
  ['text that is not JSON', ([head]) => [head!, '[['], 'damaged'],
  ['a length of nought', ([head, chunks]) => [head!, chunks!.replace(/,\d+,/, ',0,')], 'damaged'],
  ['a foreign id', ([head, chunks]) => [head!, chunks!.replace(/"\w+"/, '"../../x"')], 'damaged'],
  ['an endless line', ([head]) => [head!, 'x'.repeat(2 ** 20)], 'damaged'],
])('a record with %s is refused', async (_name, change, fault) => {
  await expect(decodeRecord([await changed(change)])).rejects.toMatchObject({ fault });
});

test('members that a later version added are passed over', async () => {
  const bytes = await changed(([head, ...rest]) => [head!.replace('{', '{"more":[1],'), ...rest]);
  expect((await decodeRecord([bytes])).chunks).toHaveLength(3);
});
