import { expect, test } from 'vitest';
import { bitRatesOf } from './bit-rates.ts';
import { SegmentTable } from './segment-table.ts';
import { pieceOf } from './test-support/made-renditions.ts';

const OTHER = Buffer.from('other');

test('segments are found across pieces, by number', () => {
  const pieces = [
    pieceOf({ lengths: [10, 20, 30] }),
    pieceOf({ index: 1, lengths: [5] }),
    pieceOf({ index: 2, lengths: [7, 8], init: OTHER, timescale: 500, durations: [1500, 250] }),
  ];
  const table = new SegmentTable(pieces);
  expect([table.count, table.isVirtual]).toEqual([6, false]);
  const found = Array.from({ length: 6 }, (_, number) => {
    const { piece, offset, length, servedLength } = table.segment(number)!;
    return [table.pieces.indexOf(piece), offset, length, servedLength, table.durationS(number)];
  });
  expect(found).toEqual([
    ...[
      [0, 0, 10, 10, 4],
      [0, 10, 20, 20, 4],
      [0, 30, 30, 30, 4],
    ],
    [1, 0, 5, 5, 4],
    [2, 0, 7, 7, 3],
    [2, 7, 8, 8, 0.5],
  ]);
  for (const number of [-1, 6, Number.NaN]) expect(table.segment(number)).toBeUndefined();
  expect(table.pieces.map(({ initIndex }) => initIndex)).toEqual([0, 0, 2]);
});

test('virtual segments are as long as they are served', () => {
  const table = new SegmentTable([pieceOf({ lengths: [10, 20], servedLengths: [1000, 4_000_000_000] })]);
  expect(table.isVirtual).toBe(true);
  expect(table.segment(1)).toMatchObject({ offset: 10, length: 20, servedLength: 4_000_000_000 });
});

test('the first segment behind an offset of a piece', () => {
  const table = new SegmentTable([
    pieceOf({ lengths: [10, 20, 30] }),
    pieceOf({ index: 1, lengths: [4, 4] }),
  ]);
  expect([0, 1, 10, 11, 30, 31, 99].map((offset) => table.segmentFrom(0, offset))).toEqual([
    0, 1, 1, 2, 2, 3, 3,
  ]);
  expect([0, 1, 4, 5].map((offset) => table.segmentFrom(1, offset))).toEqual([3, 4, 4, 5]);
});

test('two hours take little memory', () => {
  const count = 1800;
  const lengths = Array.from({ length: count }, () => 2500);
  expect(new SegmentTable([pieceOf({ lengths })]).weightBytes).toBeLessThan(32 * 1024);
});

test('the peak is that of what lasts, not of a few frames at the end', () => {
  const table = new SegmentTable([
    // 4 s each at 8, 16 and 8 kbit/s, then 40 ms at 1.6 Mbit/s.
    pieceOf({ lengths: [4000, 8000, 4000, 8000], durations: [4000, 4000, 4000, 40] }),
  ]);
  const { average, peak, durationS, targetDurationS } = bitRatesOf(table);
  expect([durationS, targetDurationS]).toEqual([12.04, 4]);
  expect(average).toBe(Math.ceil((24_000 * 8) / 12.04));
  // The last 4.04 s.
  expect(peak).toBe(Math.ceil((12_000 * 8) / 4.04));
  const short = bitRatesOf(new SegmentTable([pieceOf({ lengths: [500], durations: [100] })]));
  expect(short).toEqual({ average: 40_000, peak: 40_000, durationS: 0.1, targetDurationS: 1 });
});

test('the peak is found in thousands of tiny segments', () => {
  const lengths = Array.from({ length: 100_000 }, (_, index) => (index === 60_000 ? 100_000 : 10));
  const durations = lengths.map((_, index) => (index === 0 ? 10_000 : 10));
  const { peak, targetDurationS } = bitRatesOf(new SegmentTable([pieceOf({ lengths, durations })]));
  expect(targetDurationS).toBe(10);
  expect(peak).toBeGreaterThan((100_000 * 8) / 5 - 1);
});
