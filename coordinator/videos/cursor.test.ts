import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';

test('a cursor names a place exactly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 36 ** 9 - 1 }), fc.uuid(), (ms, id) => {
      const position = { createdAt: new Date(ms), id };
      const cursor = encodeCursor(position);
      expect(cursor).toMatch(/^[\w-]+$/);
      expect(decodeCursor(cursor)).toEqual(position);
    }),
  );
});

test('anything else is no cursor', () => {
  const cursor = encodeCursor({ createdAt: new Date(1), id: '01890000-0000-7000-8000-000000000000' });
  for (const text of [
    '',
    'x',
    `${cursor}=`,
    `${cursor} `,
    cursor.slice(1),
    cursor.slice(0, -2),
    `${cursor}A`,
  ]) {
    expect(decodeCursor(text)).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(decodeCursor(text)).toBeUndefined();
    }),
  );
});
