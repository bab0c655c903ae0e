import { expect, test } from 'vitest';
import { Timeline } from './timeline.ts';

const TRANSPORT = { num: 1, den: 90_000 };
const FILM = { num: 1001, den: 24_000 };

test('counts from the first picture, exactly in any timescale', () => {
  const timeline = new Timeline({ ticks: 126_000n, base: TRANSPORT });
  expect(timeline.toTicks({ ticks: 126_000n, base: TRANSPORT }, 90_000)).toBe(0);
  expect(timeline.toTicks({ ticks: 216_000n, base: TRANSPORT }, 48_000)).toBe(48_000);
  expect(timeline.toTicks({ ticks: 81_000n, base: TRANSPORT }, 1000)).toBe(-500);
});

test('goes there and back without losing a tick, hours later too', () => {
  const timeline = new Timeline({ ticks: 3n, base: FILM });
  for (const ticks of [3n, 4n, 1000n, 500_000n]) {
    const at = timeline.toTicks({ ticks, base: FILM }, 24_000);
    expect(at).toBe(Number(ticks - 3n) * 1001);
    expect(timeline.fromTicks(at, 24_000, FILM)).toBe(ticks);
  }
});

test('turns one track into the units of another', () => {
  const timeline = new Timeline({ ticks: 1n, base: { num: 1, den: 3 } });
  expect(timeline.toTicks({ ticks: 16_000n, base: { num: 1, den: 48_000 } }, 48_000)).toBe(0);
  expect(timeline.fromTicks(48_000, 48_000, { num: 1, den: 48_000 })).toBe(64_000n);
});
