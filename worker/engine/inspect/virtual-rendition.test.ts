import { expect, test } from 'vitest';
import { RECIPE_GAP_BYTES_MAX, RECIPE_READINGS_MAX } from '../../../lib/worker-api/recipe.ts';
import type { SampleTable } from '../mp4/sample-table.ts';
import { isServable } from './virtual-rendition.ts';

/** One segment of samples of 100 bytes, so far apart. */
function segmentOf(count: number, gapBytes: number) {
  const offsets = Float64Array.from({ length: count }, (_, sample) => sample * (100 + gapBytes));
  const table = { offsets, sizes: new Uint32Array(count).fill(100) } as unknown as SampleTable;
  return { table, samples: [0, count] };
}

test('a segment in crumbs all over the source is not put together whenever somebody asks', () => {
  expect(isServable(segmentOf(RECIPE_READINGS_MAX, RECIPE_GAP_BYTES_MAX + 1))).toBe(true);
  expect(isServable(segmentOf(RECIPE_READINGS_MAX + 1, RECIPE_GAP_BYTES_MAX + 1))).toBe(false);
  expect(isServable(segmentOf(RECIPE_READINGS_MAX + 1, RECIPE_GAP_BYTES_MAX))).toBe(true);
});
