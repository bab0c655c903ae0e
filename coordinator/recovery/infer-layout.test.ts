import { expect, test } from 'vitest';
import { assign, ownersOfRange } from '../../lib/hashring/index.ts';
import { Evidence, inferLayout } from './infer-layout.ts';

const RANGES = 256;
const members = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, weight: 1, zone: 'z' }));
const original = assign(null, members, { epoch: 5, replicas: 3, rangeCount: RANGES });

/** What the nodes hold when `chunksOf(range)` chunks lie in each range. */
function evidenceOf(chunksOf: (range: number) => number): Evidence {
  const evidence = new Evidence(RANGES * 4, members.length);
  for (let range = 0; range < RANGES; range++) {
    for (const { id } of ownersOfRange(original, range)) {
      const node = members.findIndex((member) => member.id === id);
      for (let chunk = 0; chunk < chunksOf(range); chunk++) evidence.add(range * 4 + (chunk % 4), node);
    }
  }
  return evidence;
}
const ownerSets = (layout: typeof original) =>
  Array.from({ length: RANGES }, (_, range) =>
    ownersOfRange(layout, range)
      .map(({ id }) => id)
      .sort(),
  );

test('with chunks in every range the ring is what it was, handoffs and leftovers or not', () => {
  const evidence = evidenceOf(() => 5);
  for (let range = 0; range < RANGES; range++) for (const node of [0, 1]) evidence.add(range * 4 + 1, node);
  const { layout, inferredSlots, movedSlots } = inferLayout(evidence.merged(RANGES), members, {
    replicas: 3,
    epoch: 1,
  });
  expect(ownerSets(layout)).toEqual(ownerSets(original));
  expect([inferredSlots, movedSlots, layout.epoch]).toEqual([RANGES * 3, 0, 1]);
});

test('ranges without chunks are filled, and nothing of the others moves', () => {
  const evidence = evidenceOf((range) => (range % 10 === 0 ? 1 : 0)).merged(RANGES);
  const { layout, inferredSlots, movedSlots } = inferLayout(evidence, members, { replicas: 3, epoch: 1 });
  expect([inferredSlots, movedSlots]).toEqual([26 * 3, 0]);
  for (const range of [0, 10, 250]) expect(ownerSets(layout)[range]).toEqual(ownerSets(original)[range]);
});

test('a node that owns nothing is not made an owner, and too few members are refused', () => {
  const evidence = evidenceOf(() => 1).merged(RANGES);
  const some = members.map((member) => (member.id === 'c' ? undefined : member));
  const { layout } = inferLayout(evidence, some, { replicas: 3, epoch: 1 });
  expect(ownerSets(layout).flat()).not.toContain('c');
  const few = members.map((member) => ('ab'.includes(member.id) ? member : undefined));
  expect(() => inferLayout(evidence, few, { replicas: 3, epoch: 1 })).toThrow();
});
