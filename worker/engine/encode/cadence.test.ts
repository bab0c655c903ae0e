import { expect, test } from 'vitest';
import { Cadence } from './cadence.ts';
import { levelOf } from './x264-settings.ts';

/** Times of a steady rate of which those are kept. */
function kept(rate: number, rateMax: number, isVariable = false): { times: number[]; frameRate: number } {
  const cadence = new Cadence(rate, isVariable, rateMax, 90_000);
  const times = Array.from({ length: 240 }, (_, index) => Math.round((index * 90_000) / rate));
  return {
    times: times.filter((time, index) => cadence.keep(time, index === 0)),
    frameRate: cadence.frameRate,
  };
}

test.each([
  [24, 30, 240, 24],
  [30, 30, 240, 30],
  [30.2, 30, 240, 30],
  [50, 30, 120, 25],
  [59.94, 30, 120, 29.97],
  [120, 60, 120, 60],
  [120, 30, 60, 30],
  [144, 60, 80, 48],
])('%f pictures a second, of which at most %f are wanted', (rate, rateMax, count, frameRate) => {
  const { times, ...rest } = kept(rate, rateMax);
  expect(times).toHaveLength(count);
  expect(rest.frameRate).toBeCloseTo(frameRate, 5);
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1);
});

test('of a variable rate what comes too close together is left out', () => {
  expect(kept(60, 30, true).times).toHaveLength(120);
  expect(kept(29, 30, true).times).toHaveLength(240);
});

test('a picture at a boundary is kept, and counting begins anew', () => {
  const cadence = new Cadence(50, false, 25, 50);
  const isKept = [0, 1, 2, 3, 4, 5, 6].map((tick) => cadence.keep(tick, tick === 0 || tick === 3));
  expect(isKept).toEqual([true, false, true, true, false, true, false]);
});

test('a rung has the lowest level that holds it', () => {
  const rung = { name: 'any', frameRateMax: 60, crf: 23, preset: 'veryfast' };
  expect(levelOf({ ...rung, width: 640, height: 360, bitRateMax: 1e6 }, 30)).toBe(30);
  expect(levelOf({ ...rung, width: 1280, height: 720, bitRateMax: 4e6 }, 30)).toBe(31);
  expect(levelOf({ ...rung, width: 1280, height: 720, bitRateMax: 4e6 }, 60)).toBe(32);
  expect(levelOf({ ...rung, width: 1920, height: 1080, bitRateMax: 8e6 }, 30)).toBe(40);
  expect(levelOf({ ...rung, width: 1920, height: 1080, bitRateMax: 8e6 }, 60)).toBe(42);
  expect(levelOf({ ...rung, width: 3840, height: 2160, bitRateMax: 20e6 }, 30)).toBe(51);
});
