import { expect, test } from 'vitest';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import { LULL_MS, LULL_WAIT_MAX_MS } from './limits.ts';
import { Lull } from './lull.ts';

function create() {
  const clock = new ManualClock();
  const asked = new AbortController();
  const source = { paused: false, isPaused: () => source.paused };
  const lull = new Lull(clock, asked.signal, source);
  return { clock, asked, source, lull };
}

test('nobody has asked: nothing ends', async () => {
  const { clock, lull } = create();
  await clock.advance(10 * LULL_WAIT_MAX_MS);
  expect(lull.signal.aborted).toBe(false);
});

test('a request that is asked to let go ends when nothing comes any more', async () => {
  const { clock, asked, lull } = create();
  const reason = new Error('another one came');
  asked.abort(reason);
  for (let round = 0; round < 5; round++) {
    await clock.advance(LULL_MS / 2);
    lull.noteBytes();
  }
  expect(lull.signal.aborted).toBe(false);
  await clock.advance(2 * LULL_MS);
  expect(lull.signal.reason).toBe(reason);
});

test('a source that is not read for now is not silent', async () => {
  const { clock, asked, source, lull } = create();
  asked.abort(new Error('another one came'));
  source.paused = true;
  await clock.advance(5 * LULL_MS);
  expect(lull.signal.aborted).toBe(false);
  source.paused = false;
  await clock.advance(2 * LULL_MS);
  expect(lull.signal.aborted).toBe(true);
});

test('a client that goes on sending does not keep others waiting for ever', async () => {
  const { clock, asked, lull } = create();
  asked.abort(new Error('another one came'));
  for (let passedMs = 0; passedMs < LULL_WAIT_MAX_MS + LULL_MS; passedMs += LULL_MS / 4) {
    lull.noteBytes();
    await clock.advance(LULL_MS / 4);
  }
  expect(lull.signal.aborted).toBe(true);
});
