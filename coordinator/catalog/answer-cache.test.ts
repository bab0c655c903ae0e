import { expect, test } from 'vitest';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import { AnswerCache } from './answer-cache.ts';
import { CACHED_ANSWERS_MAX, STALE_MS_MAX } from './limits.ts';

function open() {
  const state = { version: 1, made: 0 };
  const clock = new ManualClock();
  const answers = new AnswerCache({ clock, version: () => state.version, garbage: { add: () => {} } });
  const ask = async (key: string) => (await answers.get(key, async () => `${key}${++state.made}`)).json;
  return { state, clock, answers, ask };
}

test('an answer is good for its version, and for so long', async () => {
  const { state, clock, answers, ask } = open();
  expect([await ask('a'), await ask('a')]).toEqual(['a1', 'a1']);
  state.version += 1;
  expect(await ask('a')).toBe('a2');
  await clock.advance(STALE_MS_MAX);
  expect(await ask('a')).toBe('a3');
  answers.clear();
  expect(await ask('a')).toBe('a4');
});

test('those who ask at the same time share; what became void while it was made is not kept', async () => {
  const { state, answers } = open();
  const made = Promise.withResolvers<string>();
  const late = async () => {
    throw new Error('it is made already');
  };
  const both = [answers.get('a', () => made.promise), answers.get('a', late)];
  answers.clear();
  const after = answers.get('a', async () => 'new');
  const again = answers.get('a', late);
  made.resolve('old');
  expect((await Promise.all(both)).map(({ json }) => json)).toEqual(['old', 'old']);
  expect([(await after).json, (await again).json]).toEqual(['new', 'new']);
  expect((await answers.get('a', late)).json).toBe('new');
  const slow = Promise.withResolvers<string>();
  const changed = answers.get('b', () => slow.promise);
  state.version += 1;
  slow.resolve('old');
  await changed;
  expect((await answers.get('b', async () => 'new')).json).toBe('new');
});

test('forgets the oldest rather than grows', async () => {
  const { ask } = open();
  for (let key = 0; key <= CACHED_ANSWERS_MAX; key++) await ask(`${key} `);
  expect(await ask('1 ')).toBe('1 2');
  expect(await ask('0 ')).not.toBe('0 1');
});
