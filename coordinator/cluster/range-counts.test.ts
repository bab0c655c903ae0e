import { expect, test } from 'vitest';
import { assign } from '../../lib/hashring/index.ts';
import { countRanges } from './range-counts.ts';

test('every slot is counted once, and each range has one primary', () => {
  const members = ['a', 'b', 'c', 'd', 'idle'].map((id) => ({ id, zone: id, weight: id === 'idle' ? 0 : 1 }));
  const counts = countRanges(assign(null, members, { epoch: 1, replicas: 3, rangeCount: 64 }));
  expect(counts.get('idle')).toEqual({ ranges: 0, primaryRanges: 0 });
  for (const id of ['a', 'b', 'c', 'd']) expect(counts.get(id)).toEqual({ ranges: 48, primaryRanges: 16 });
});
