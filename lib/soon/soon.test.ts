import { expect, test } from 'vitest';
import { type Soon, whenThere } from './soon.ts';

test('goes on at once with what is at hand, and later with what is not', async () => {
  const double = (value: Soon<number>) => whenThere(value, (number) => number * 2);
  expect(double(4)).toBe(8);
  const later = double(Promise.resolve(4));
  expect(later).toBeInstanceOf(Promise);
  expect(await later).toBe(8);
  await expect(whenThere(1, () => Promise.resolve('x'))).resolves.toBe('x');
});

test('fails as it goes on: at once or later', async () => {
  const fail = () => {
    throw new Error('no');
  };
  expect(() => whenThere(1, fail)).toThrow('no');
  await expect(whenThere(Promise.resolve(1), fail)).rejects.toThrow('no');
  await expect(whenThere(Promise.reject(new Error('before')), () => 1)).rejects.toThrow('before');
});
