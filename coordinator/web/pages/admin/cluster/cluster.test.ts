import { expect, test } from 'vitest';
import type { RingArc } from '../../../api/types.ts';
import { linePath, roundUp } from '../../../parts/chart.tsx';
import { ratesBetween, readCounts } from './metrics.ts';
import { arcPath, drawOwners, drawPhases } from './ring-geometry.ts';

const BANDS = [
  { radius: 100, width: 10 },
  { radius: 80, width: 10 },
];

function arc(firstRange: number, owners: string[], target: string[] | null = null): RingArc {
  const phase = target === null ? 'before' : 'dual';
  return { firstRange, lastRange: firstRange, first: '', last: '', owners, target, phase };
}

const arcsIn = (path: string) => path.split('M').length - 1;

test('by their owners, each node has one arc outside; by position there are as many as the ring has', () => {
  const arcs = [arc(0, ['a', 'b']), arc(1, ['b', 'a']), arc(2, ['a', 'b']), arc(3, ['b', 'a'])];
  const byOwner = drawOwners(arcs, BANDS, 'owners', ['a', 'b']);
  expect(byOwner.map(({ band, key, path }) => [band, key, arcsIn(path)])).toEqual([
    ...[
      [0, 'a', 1],
      [0, 'b', 1],
      [1, 'b', 1],
      [1, 'a', 1],
    ],
  ]);
  expect(byOwner[0]!.path).toBe('M0 -100A100 100 0 0 1 0 100');
  const byPosition = drawOwners(arcs, BANDS, 'position', ['a', 'b']);
  expect(byPosition.filter(({ band }) => band === 0).map(({ path }) => arcsIn(path))).toEqual([2, 2]);
});

test('only ranges that move are drawn with their phase', () => {
  const arcs = [arc(0, ['a']), arc(1, ['a'], ['b']), arc(2, ['b']), arc(3, ['b'])];
  const phases = drawPhases(arcs, BANDS[0]!, 'position', ['a', 'b']);
  expect(phases.map(({ key, path }) => [key, path])).toEqual([['dual', 'M100 0A100 100 0 0 1 0 100']]);
  expect(drawPhases([arc(0, ['a'])], BANDS[0]!, 'owners', ['a'])).toEqual([]);
});

test('one node alone has the whole circle', () => {
  expect(arcsIn(arcPath(0, 1, 50))).toBe(2);
});

const METRICS = (fast: number, slow: number, sent: number) => `
# HELP orbitvids_request_seconds x
orbitvids_request_seconds_bucket{le="0.005",method="GET",status="200"} ${fast}
orbitvids_request_seconds_bucket{le="0.02",method="GET",status="200"} ${fast + slow}
orbitvids_request_seconds_bucket{le="+Inf",method="GET",status="200"} ${fast + slow}
orbitvids_request_seconds_count{method="GET",status="200"} ${fast + slow}
orbitvids_sent_bytes_total ${sent}
orbitvids_uploaded_bytes_total 0`;

test('what was counted becomes rates, and a coordinator that began anew none', () => {
  const [before, after] = [readCounts(METRICS(10, 0, 0), 0), readCounts(METRICS(28, 2, 4e6), 2000)];
  expect(ratesBetween(before, after)).toMatchObject({
    requestsPerSecond: 10,
    sentPerSecond: 2e6,
    uploadedPerSecond: 0,
  });
  const { medianMs, p95Ms } = ratesBetween(before, after)!;
  expect(medianMs).toBeCloseTo(2.78, 1);
  expect(p95Ms).toBeGreaterThan(5);
  expect(ratesBetween(after, before)).toBeUndefined();
  expect(ratesBetween(before, { ...before, atMs: 1000 })).toMatchObject({ medianMs: null });
});

test('lines stand at the right, and gaps stay gaps', () => {
  expect(linePath([1, null, 2], 3, 2)).toBe('M0.0 45.0M300.0 0.0');
  expect([0, 0.3, 1, 1.2, 37, 512].map(roundUp)).toEqual([0, 0.5, 1, 2, 50, 1000]);
});
