import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OldestKeys } from './oldest-keys.ts';

test('are those that a new iterator would begin with, whatever is set, set anew and deleted in between', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(20)), { maxLength: 200 }), (steps) => {
      const map = new Map<number, true>();
      const oldest = new OldestKeys(map);
      for (const [step, key] of steps) {
        if (step === 4 && key === 0) map.clear();
        else if (step === 3) map.delete(key);
        else if (step === 2) {
          const expected = map.keys().next().value;
          const found = oldest.next();
          expect(found).toBe(expected);
          if (found !== undefined) map.delete(found);
        } else {
          map.delete(key);
          map.set(key, true);
        }
      }
    }),
  );
});
