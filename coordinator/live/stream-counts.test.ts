import { expect, test } from 'vitest';
import { STREAMS_MAX, STREAMS_PER_CLIENT_MAX } from './limits.ts';
import { StreamCounts } from './stream-counts.ts';

function codeOf(enter: () => unknown): unknown {
  try {
    enter();
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

test('no more streams are open than so many, whoever opens them; one that ends makes room once', () => {
  const counts = new StreamCounts();
  const leaves = Array.from({ length: STREAMS_MAX }, (_, number) => counts.enter(`client ${number}`));
  expect(codeOf(() => counts.enter('one more'))).toBe('too_busy');
  leaves[0]!();
  leaves[0]!();
  counts.enter('one more');
  expect(codeOf(() => counts.enter('another one'))).toBe('too_busy');
});

test('a client has a share, which counts what is open now', () => {
  const counts = new StreamCounts();
  for (let turn = 0; turn < 3; turn++) {
    const leaves = Array.from({ length: STREAMS_PER_CLIENT_MAX }, () => counts.enter('client'));
    expect(codeOf(() => counts.enter('client'))).toBe('too_many_requests');
    counts.enter(`other ${turn}`);
    for (const leave of leaves) leave();
  }
});
