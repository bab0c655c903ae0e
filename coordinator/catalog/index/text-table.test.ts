import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextTable } from './text-table.ts';

test('each text has the number of its first time, however many there are', () => {
  const table = new TextTable();
  const words = Array.from({ length: 20_000 }, (_, number) => `word ${number * 7919}`);
  const numbers = [...words.keys()];
  expect(words.map((word) => table.addString(word))).toEqual(numbers);
  expect(words.map((word) => table.addString(word))).toEqual(numbers);
  expect(table.texts.count).toBe(words.length);
});

const character = fc.constantFrom('a', 'b', 'é', '字', '\ud83d', '\ude00', '\0');

test('texts are the same whether they come as strings or as units of a longer text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: character, maxLength: 3 })), (list) => {
      const table = new TextTable();
      const known = [...new Set(list)];
      const units = Uint16Array.from(list.join('').split(''), (unit) => unit.charCodeAt(0));
      let at = 0;
      for (const text of list) {
        expect(table.add(units, at, at + text.length)).toBe(known.indexOf(text));
        expect(table.addString(text)).toBe(known.indexOf(text));
        at += text.length;
      }
      const packed = table.texts.pack(Uint32Array.from(known.keys()));
      expect(Buffer.from(packed.bytes).toString()).toBe(known.join('').toWellFormed());
      expect(packed.offsets.at(-1)).toBe(known.join('').length);
    }),
  );
});
