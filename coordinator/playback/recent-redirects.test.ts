import { expect, test } from 'vitest';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';
import { RecentRedirects, type Viewer } from './recent-redirects.ts';

const VIEWER: Viewer = { address: '192.0.2.1', credential: 'grant', userAgent: 'a browser' };

test('what happened a moment ago is counted, and forgotten after a while', () => {
  let nowMs = 1_000_000;
  const recent = new RecentRedirects({ monotonicMs: () => nowMs }, 1);
  const count = (segment: string) => recent.count(recent.keyOf(VIEWER, segment, 0));
  const happens = (segment: string) => recent.add(recent.keyOf(VIEWER, segment, 0), count(segment));
  happens('a');
  happens('a');
  happens('b');
  nowMs += REDIRECT_MEMORY_MS / 2 - 1;
  expect(['a', 'b', 'c'].map(count)).toEqual([2, 1, 0]);
  nowMs += 1;
  happens('a');
  expect(count('a')).toBe(3);
  nowMs += REDIRECT_MEMORY_MS / 2;
  expect(['a', 'b'].map(count)).toEqual([3, 0]);
  nowMs += REDIRECT_MEMORY_MS;
  expect(count('a')).toBe(0);
});

test('a viewer is told by address, credential and user agent together', () => {
  const recent = new RecentRedirects({ monotonicMs: () => 5 }, 1);
  const others: readonly Viewer[] = [
    VIEWER,
    { ...VIEWER, address: '192.0.2.2' },
    { ...VIEWER, credential: '' },
    { ...VIEWER, userAgent: 'another browser' },
    { ...VIEWER, address: '192.0.2.1g', credential: 'rant' },
    { ...VIEWER, userAgent: 'x'.repeat(20_000) },
  ];
  const keys = others.flatMap((viewer) => [
    recent.keyOf(viewer, 'a', 0),
    recent.keyOf(viewer, 'a', 1),
    recent.keyOf(viewer, 'b', 0),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
  expect(recent.keyOf({ ...VIEWER }, 'a', 0)).toBe(keys[0]);
  expect(new RecentRedirects({ monotonicMs: () => 5 }, 2).keyOf(VIEWER, 'a', 0)).not.toBe(keys[0]);
});

test('no more than so many are remembered, the latest for certain', () => {
  const recent = new RecentRedirects({ monotonicMs: () => 5 }, 1);
  const keys = Array.from({ length: REMEMBERED_REDIRECTS_MAX * 2 }, (_, index) => index);
  for (const key of keys) recent.add(key, 0);
  const known = keys.filter((key) => recent.count(key) > 0);
  expect(known.length).toBeLessThanOrEqual(REMEMBERED_REDIRECTS_MAX);
  expect(known.slice(-REMEMBERED_REDIRECTS_MAX / 2)).toEqual(keys.slice(-REMEMBERED_REDIRECTS_MAX / 2));
});
