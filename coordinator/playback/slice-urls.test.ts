import { expect, test } from 'vitest';
import { deriveKey } from '../../lib/signing/signed-url.ts';
import type { NodeHealth, Placement, StorageNode } from '../cluster/placement.ts';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import type { Manifest } from '../objects/manifest.ts';
import { SEGMENT_URL_LIFETIME_S, SIGNED_SEGMENTS_MAX } from './limits.ts';
import { SliceUrls } from './slice-urls.ts';

const SEGMENT_BYTES = 100;
const HALF_LIFETIME_MS = (SEGMENT_URL_LIFETIME_S / 2) * 1000;

/** An object in one chunk, of so many segments. */
function objectOf(objectId: string, segments: number): Manifest {
  const length = segments * SEGMENT_BYTES;
  const chunk = { index: 0, position: 7, id: `${objectId}.0`, offset: 0, length };
  return { objectId, size: length, chunks: [chunk] } as unknown as Manifest;
}

async function open() {
  const clock = new ManualClock(1_800_000_000_000);
  const owners = ['a', 'b', 'c'].map((id) => ({ id, url: `http://${id}` }) as StorageNode);
  const down = new Set<string>();
  const placement = {
    readSourcesOf: () => ({ owners, others: [] }),
    healthOf: (id: string): NodeHealth => (down.has(id) ? 'down' : 'up'),
  } as unknown as Placement;
  const key = deriveKey('a secret of a cluster', 'chunks');
  const urls = new SliceUrls({ placement, key, publicUrls: new Map(), clock, seed: 1 });
  const urlOf = (object: Manifest, number: number, viewer: string) =>
    urls.urlOf({
      ...{ object, offset: number * SEGMENT_BYTES, length: SEGMENT_BYTES },
      viewer: { address: viewer, credential: '', userAgent: '' },
    });
  return { clock, down, urlOf };
}

test('viewers of a segment get one address, which is signed anew when half of its time is over', async () => {
  const { clock, urlOf } = await open();
  const object = objectOf('o', 3);
  const first = urlOf(object, 0, 'one');
  expect(first).toMatch(/^http:\/\/a\//);
  expect(urlOf(object, 0, 'two')).toBe(first);
  expect(urlOf(object, 1, 'two')).toMatch(/^http:\/\/b\//);
  await clock.advance(HALF_LIFETIME_MS);
  const later = urlOf(object, 0, 'three');
  expect(later).toMatch(/^http:\/\/a\//);
  expect(later).not.toBe(first);
});

test('who comes again is sent to another owner that is up, and then to none', async () => {
  const { down, urlOf } = await open();
  const object = objectOf('o', 3);
  down.add('b');
  expect([1, 2, 3].map(() => urlOf(object, 0, 'one')?.slice(0, 8))).toEqual([
    'http://a',
    'http://c',
    undefined,
  ]);
  for (const id of 'ac') down.add(id);
  expect(urlOf(object, 0, 'two')).toBeUndefined();
});

test('when more segments are asked for than are remembered, each still has its own bytes', async () => {
  const { urlOf } = await open();
  const object = objectOf('o', SIGNED_SEGMENTS_MAX + 2);
  const addresses = Array.from({ length: SIGNED_SEGMENTS_MAX + 2 }, (_, number) =>
    urlOf(object, number, 'one'),
  );
  expect(new Set(addresses).size).toBe(addresses.length);
  expect(urlOf(object, 0, 'two')).toBe(addresses[0]);
  expect(urlOf(objectOf('p', 3), 0, 'one')).not.toBe(addresses[0]);
});
