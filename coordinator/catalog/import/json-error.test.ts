import { expect, test } from 'vitest';
import { findJsonError } from './json-error.ts';

test.each([
  ['{"title": oops}', 10],
  ['{"a":1,}', 7],
  ['[1 2]', 3],
  ['{"a" 1}', 5],
  ['{a:1}', 1],
  ['{"a":"x\ny"}', 5],
  ['{"a":01}', 6],
  ['[1}', 2],
  ['{"a":"unfinished', 5],
  ['  ', 2],
  ['1 1', 2],
])('%s is wrong from %i on', (text, position) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(findJsonError(text)).toBe(position);
});
