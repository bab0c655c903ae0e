import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JsonElement, JsonElements, JsonStructureError } from './json-elements.ts';

function cut(text: string, sizes: readonly number[] = [Number.POSITIVE_INFINITY]) {
  const found: (Omit<JsonElement, 'bytes'> & { text: string | undefined })[] = [];
  const elements = new JsonElements(({ bytes, byte, line }) =>
    found.push({ byte, line, text: bytes && Buffer.from(bytes).toString() }),
  );
  const bytes = Buffer.from(text);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length]!);
    const piece = Buffer.from(bytes.subarray(at, at + size));
    elements.push(piece);
    // It is the caller's again.
    piece.fill(0);
    at += size;
  }
  elements.end();
  return found;
}

describe('elements', () => {
  test('are those of the array, or the lines, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (values, sizes, isArray) => {
          if (!isArray && values.length === 0) return;
          // A line that begins with a bracket would be an array.
          if (!isArray && Array.isArray(values[0])) return;
          const texts = values.map((value) => JSON.stringify(value));
          const text = isArray ? ` [ ${texts.join(' ,\n ')} ] \n` : texts.join('\n');
          const found = cut(text, sizes);
          // Not the values themselves: minus zero is written as zero.
          expect(found.map((element) => JSON.parse(element.text!))).toEqual(
            texts.map((each) => JSON.parse(each)),
          );
          for (const { byte, text: element } of found) {
            const there = Buffer.from(text).subarray(byte).toString();
            expect(there.startsWith(element!.trimEnd())).toBe(true);
          }
        },
      ),
    );
  });

  test('have their line', () => {
    expect(cut('\n[{"a":\n1},\n\n{"b":"x\\ny"}]').map(({ line }) => line)).toEqual([2, 5]);
    expect(cut('{"a":1}\n\n{"b":2}\r\n').map(({ line }) => line)).toEqual([1, 3]);
    expect(cut('\uFEFF[1]')).toMatchObject([{ byte: 4, text: '1' }]);
  });

  test('end where the structure is broken', () => {
    const at = (text: string) => {
      try {
        cut(text, [3]);
      } catch (error) {
        if (error instanceof JsonStructureError) return error.byte;
        throw error;
      }
      return undefined;
    };
    expect(at('[1,,2]')).toBe(3);
    expect(at('[,1]')).toBe(1);
    expect(at('[1,]')).toBe(3);
    expect(at('[{} {}]')).toBe(4);
    expect(at('[1] 2')).toBe(4);
    expect(at('[{"a": 1')).toBe(8);
    expect(at('["abc')).toBe(5);
    expect(at('  ')).toBe(2);
    expect(at('[]')).toBeUndefined();
  });
});
