import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from './assign.ts';
import { decodeLayout, encodeLayout } from './codec.ts';
import { RingError } from './ring-error.ts';
import { equalMembers, histories, playHistory } from './test-support/histories.ts';
import { hashBytes } from './xxhash32.ts';

const LIMITS = { rangeBitsMax: 5, membersMax: 8, changesMax: 4 };
const CHECKSUM_SEED = 0xc5;

/** Small enough to try every damage: names of several alphabets, a member of weight 0. */
const members = [
  { id: 'anna', weight: 3, zone: 'Zürich' },
  { id: '\ufeffb', weight: 0, zone: '' },
  { id: '東京-1', weight: 0xffff_ffff, zone: '東京' },
  { id: 'z'.repeat(255), weight: 1, zone: 'Zürich' },
];
const sample = assign(null, members, { epoch: Number.MAX_SAFE_INTEGER, replicas: 2, rangeCount: 8 });

/** Writes a correct checksum under bytes that are wrong otherwise. */
function seal(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - 4;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(
    end,
    hashBytes(bytes.subarray(0, end), CHECKSUM_SEED),
    true,
  );
  return bytes;
}

function expectCorrupt(bytes: Uint8Array): void {
  let code: string | undefined;
  try {
    decodeLayout(bytes);
  } catch (error) {
    if (!(error instanceof RingError)) throw error;
    code = error.code;
  }
  expect(code).toBe('corrupt_table');
}

describe('the codec', () => {
  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout } of playHistory(history, 32)) {
          expect({ ...decodeLayout(encodeLayout(layout)) }).toEqual({ ...layout });
        }
      }),
    );
    expect({ ...decodeLayout(encodeLayout(sample)) }).toEqual({ ...sample });
  });

  test('reads bytes that lie at an odd offset of a larger buffer', () => {
    const bytes = encodeLayout(sample);
    const buffer = new Uint8Array(bytes.length + 9).fill(0xaa);
    buffer.set(bytes, 3);
    expect({ ...decodeLayout(buffer.subarray(3, 3 + bytes.length)) }).toEqual({ ...sample });
  });

  test('takes 24 KiB and a little for 4,096 ranges of 3 replicas', () => {
    const layout = assign(null, equalMembers(10), { epoch: 1, replicas: 3 });
    expect(encodeLayout(layout).length).toBe(24 + 10 * (1 + 6 + 1 + 6 + 4) + 4096 * 3 * 2 + 4);
  });

  test('refuses every single flipped bit', () => {
    const bytes = encodeLayout(sample);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expectCorrupt(damaged);
    }
  });

  test('refuses every truncation, and anything appended', () => {
    const bytes = encodeLayout(sample);
    for (let length = 0; length < bytes.length; length++) {
      expectCorrupt(bytes.subarray(0, length));
      if (length >= 4) expectCorrupt(seal(bytes.slice(0, length)));
    }
    expectCorrupt(Uint8Array.from([...bytes, 0]));
    expectCorrupt(seal(Uint8Array.from([...bytes, 0, 0])));
  });

  test('never fails otherwise on bytes whose checksum is right', () => {
    const bytes = encodeLayout(sample);
    const damages = fc.array(fc.tuple(fc.nat({ max: bytes.length - 5 }), fc.nat({ max: 255 })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(damages, (damage) => {
        const damaged = bytes.slice();
        for (const [offset, byte] of damage) damaged[offset] = byte;
        try {
          // What passes the checks is a sound layout, and encodes to the very same bytes.
          expect(encodeLayout(decodeLayout(seal(damaged)))).toEqual(damaged);
        } catch (error) {
          if (!(error instanceof RingError)) throw error;
          expect(error.code).toBe('corrupt_table');
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['a range count that is no power of two', (view: DataView) => view.setUint32(8, 7, true)],
    ['no replicas', (view: DataView) => view.setUint16(6, 0, true)],
    ['more members than bytes', (view: DataView) => view.setUint32(12, 0xffff_ffff, true)],
    ['an epoch that is no safe integer', (view: DataView) => view.setBigUint64(16, 2n ** 53n, true)],
    ['an owner beyond the members', (view: DataView) => view.setUint16(view.byteLength - 6, 4, true)],
    [
      'the same owner twice in a range',
      (view: DataView) =>
        view.setUint16(view.byteLength - 6, view.getUint16(view.byteLength - 8, true), true),
    ],
  ])('refuses %s under a right checksum', (_what, damage) => {
    const bytes = encodeLayout(sample);
    damage(new DataView(bytes.buffer));
    expectCorrupt(seal(bytes));
  });

  test('refuses to encode a layout that it would not read', () => {
    const broken = { ...sample, table: sample.table.slice().fill(0) };
    expect(() => encodeLayout(broken)).toThrow(expect.objectContaining({ code: 'corrupt_table' }));
  });
});
