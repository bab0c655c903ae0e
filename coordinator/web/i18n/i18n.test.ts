import { afterEach, expect, test } from 'vitest';
import { formatAgo, formatBytes, formatClock, formatDuration, formatShare } from './format.ts';
import { MESSAGES } from './messages.ts';
import { fill, language } from './translate.ts';

afterEach(() => {
  language.value = 'en';
});

test('every message has the same values in all languages, and as many forms', () => {
  const valuesOf = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const [name, [en, de]] of Object.entries(MESSAGES)) {
    expect([name, valuesOf(de)]).toEqual([name, valuesOf(en)]);
    expect([name, de.split('|').length]).toEqual([name, en.split('|').length]);
    expect(en.trim() === '' || de.trim() === '').toBe(false);
  }
});

test('values are put in, and the form fits the count', () => {
  expect(fill('{count} video|{count} videos', { count: 1 }, 'en')).toBe('1 video');
  expect(fill('{count} Video|{count} Videos', { count: 1200 }, 'de')).toBe('1.200 Videos');
  expect(fill('{name} is {name}, {other}', { name: '<b>' }, 'en')).toBe('<b> is <b>, {other}');
});

test('sizes, places and durations are written as people read them', () => {
  expect([0, 999, 1000, 1_500_000, 999_600, 123_456_789_000].map(formatBytes)).toEqual([
    ...['0 B', '999 B', '1 kB', '1.5 MB', '1 MB', '123 GB'],
  ]);
  expect([0, 59.9, 65, 3600, 36_125, Number.NaN].map(formatClock)).toEqual([
    ...['0:00', '0:59', '1:05', '1:00:00', '10:02:05', '0:00'],
  ]);
  expect([0.2, 45, 600, 7200, 7500, 400_000].map(formatDuration)).toEqual([
    ...['1 s', '45 s', '10 min', '2 h', '2 h 5 min', '5 d'],
  ]);
  language.value = 'de';
  expect(formatBytes(1_500_000)).toBe('1,5 MB');
  expect(formatShare(0.256, 1)).toMatch(/^25,6\s%$/);
  expect(formatAgo('2026-01-01T00:00:00Z', Date.parse('2026-01-01T03:00:00Z'))).toBe('vor 3 Stunden');
});
