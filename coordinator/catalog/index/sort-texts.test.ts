import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortTexts } from './sort-texts.ts';
import { Texts } from './texts.ts';

function textsOf(list: readonly string[]): Texts {
  const texts = new Texts();
  for (const text of list) texts.push(text);
  return texts;
}

test('texts are in the order of their units, and equal ones as they were', () => {
  const unit = fc.constantFrom('a', 'b', ' ', '\u0001', 'é', '字', '\ud83d', '\ude00', '\uffff');
  const text = fc.array(unit, { maxLength: 6 }).map((units) => units.join(''));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean())), (given) => {
      const list = given.map(([end, isLong]) => (isLong ? 'the same beginning of all ' : '') + end);
      // Sorting is stable.
      const expected = [...list.keys()].sort((a, b) =>
        list[a]! < list[b]! ? -1 : list[a]! > list[b]! ? 1 : 0,
      );
      expect([...sortTexts(textsOf(list))]).toEqual(expected);
    }),
  );
});

test('some of the texts are sorted, and named by their places', () => {
  const texts = textsOf(['d', 'c', 'b', 'a']);
  expect([...sortTexts(texts, Uint16Array.of(3, 1, 2))]).toEqual([0, 2, 1]);
});
