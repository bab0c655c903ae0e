import { expect, test } from 'vitest';
import { Refused } from './coordinator-client.ts';
import { HttpOutput } from './http-output.ts';
import { APPEND_BYTES_MAX } from './limits.ts';

/** A coordinator's output, whose answers get lost. */
function setUp(lose: (attempt: number) => 'before' | 'after' | 'half' | undefined = () => undefined) {
  let stored = Buffer.alloc(0);
  let attempts = 0;
  const pieces: number[] = [];
  const client = {
    append: async (_lease: unknown, _name: string, offset: number, bytes: Uint8Array) => {
      attempts += 1;
      const loss = lose(attempts);
      if (loss === 'before') throw new Error('connection reset');
      if (stored.length === offset + bytes.length) return stored.length;
      if (stored.length !== offset)
        throw new Refused(409, { code: 'upload_offset_mismatch', size: stored.length });
      stored = Buffer.concat([stored, loss === 'half' ? bytes.subarray(0, bytes.length >> 1) : bytes]);
      pieces.push(bytes.length);
      if (loss !== undefined) throw new Error('connection reset');
      return stored.length;
    },
  };
  const lease = { taskId: 'a', fence: 1 };
  const output = new HttpOutput({ client, lease, name: 'video', signal: new AbortController().signal });
  return { output, pieces, stored: () => stored.toString() };
}

test('what is added stands once and in order, whatever becomes of the answers', async () => {
  for (const loss of ['before', 'after', 'half'] as const) {
    const { output, stored } = setUp((attempt) => (attempt % 2 === 1 ? loss : undefined));
    await Promise.all(['one ', 'two ', 'three'].map((word) => output.append([Buffer.from(word)])));
    expect(stored()).toBe('one two three');
  }
});

test('an addition is one chunk, unless it is too long for one', async () => {
  const { output, pieces } = setUp();
  await output.append([Buffer.alloc(1000), Buffer.alloc(2000)]);
  await output.append([Buffer.alloc(APPEND_BYTES_MAX + 5)]);
  expect(pieces).toEqual([3000, APPEND_BYTES_MAX, 5]);
});

test('nothing follows what could not be added', async () => {
  const lost = new Refused(409, { code: 'lease_lost' });
  const client = {
    append: async () => {
      throw lost;
    },
  };
  const lease = { taskId: 'a', fence: 1 };
  const output = new HttpOutput({ client, lease, name: 'video', signal: new AbortController().signal });
  const results = await Promise.allSettled([
    output.append([Buffer.from('a')]),
    output.append([Buffer.from('b')]),
  ]);
  expect(results.map((result) => result.status === 'rejected' && result.reason)).toEqual([lost, lost]);
});
