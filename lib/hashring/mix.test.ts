import { expect, test } from 'vitest';
import { assign, decodeLayout, diff, encodeLayout, mixLayouts, ownersOfRange } from './index.ts';

const member = (id: string, weight = 1) => ({ id, zone: id, weight });
const before = assign(
  null,
  ['a', 'b', 'c', 'd'].map((id) => member(id)),
  {
    epoch: 1,
    replicas: 3,
    rangeCount: 64,
  },
);
const after = assign(
  before,
  ['b', 'c', 'd', 'e'].map((id) => member(id, 2)),
  { epoch: 2, replicas: 3 },
);
const ids = (layout: typeof before, range: number) => ownersOfRange(layout, range).map(({ id }) => id);

test('each range has the owners of the layout it is at', () => {
  const isAfter = (range: number) => range % 3 === 0;
  const mixed = mixLayouts(before, after, { epoch: 3, isAfter });
  for (let range = 0; range < 64; range++) {
    expect(ids(mixed, range)).toEqual(ids(isAfter(range) ? after : before, range));
  }
  expect(mixed.members).toEqual([
    member('a', 0),
    member('b', 2),
    member('c', 2),
    member('d', 2),
    member('e', 2),
  ]);
  expect(decodeLayout(encodeLayout(mixed))).toEqual(mixed);
});

test('all ranges of one side give that side', () => {
  const none = mixLayouts(before, after, { epoch: 3, isAfter: () => false });
  const all = mixLayouts(before, after, { epoch: 3, isAfter: () => true });
  expect(diff(before, none)).toEqual([]);
  expect(diff(after, all)).toEqual([]);
});

test('from a mixed layout the rest of the way is what was left', () => {
  const mixed = mixLayouts(before, after, { epoch: 3, isAfter: (range) => range < 40 });
  const left = diff(mixed, after).reduce(
    (sum, { firstRange, lastRange }) => sum + lastRange - firstRange + 1,
    0,
  );
  const rest = diff(before, after)
    .flatMap(({ firstRange, lastRange }) =>
      Array.from({ length: lastRange - firstRange + 1 }, (_, index) => firstRange + index),
    )
    .filter((range) => range >= 40);
  expect(left).toBe(rest.length);
});

test('layouts of other shapes do not mix', () => {
  const other = assign(null, before.members, { epoch: 1, replicas: 2, rangeCount: 64 });
  expect(() => mixLayouts(before, other, { epoch: 3, isAfter: () => true })).toThrow(
    expect.objectContaining({ code: 'invalid_options' }),
  );
});
