import { expect, test } from 'vitest';
import type { TaskContext } from '../../task-context.ts';
import { PieceWriter } from './piece-writer.ts';

const MEBIBYTE = 1024 * 1024;

function contextThat(append: (bytes: readonly Uint8Array[]) => Promise<void>): TaskContext {
  return {
    source: { sizeBytes: 0, read: async () => new Uint8Array() },
    openOutput: async () => ({ append }),
    progress: () => {},
    signal: new AbortController().signal,
  };
}

test('appends whole segments, as many as a chunk takes; a greater one alone', async () => {
  const appended: number[][] = [];
  const writer = new PieceWriter(
    contextThat(async (bytes) => void appended.push(bytes.map(({ length }) => length / MEBIBYTE))),
    'out',
    'video/mp4',
  );
  for (const size of [3, 3, 3, 9, 8, 1]) await writer.add(10, [Buffer.alloc(size * MEBIBYTE)]);
  const piece = await writer.finish(Buffer.from('init'), 1000);
  expect(appended).toEqual([[3, 3], [3], [9], [8], [1]]);
  expect(piece.lengths).toEqual([3, 3, 3, 9, 8, 1].map((size) => size * MEBIBYTE));
  expect(piece.durations).toEqual([10, 10, 10, 10, 10, 10]);
});

test('fills at most one batch while another is on its way', async () => {
  let underWay = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const writer = new PieceWriter(
    contextThat(async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise<void>((resolve) => waiting.push(resolve));
      underWay -= 1;
    }),
    'out',
    'video/mp4',
  );
  let added = 0;
  const all = (async () => {
    for (; added < 5; added += 1) await writer.add(1, [Buffer.alloc(8 * MEBIBYTE)]);
    return writer.finish(Buffer.alloc(1), 1);
  })();
  await expect.poll(() => waiting.length).toBe(1);
  expect(added).toBeLessThanOrEqual(1);
  while (added < 5 || underWay > 0) {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  expect(most).toBe(1);
});

test('an append that fails rejects', async () => {
  const reason = new Error('the disk is full');
  const writer = new PieceWriter(
    contextThat(async () => {
      throw reason;
    }),
    'out',
    'video/mp4',
  );
  await writer.add(1, [Buffer.alloc(10)]);
  await expect(writer.finish(Buffer.alloc(1), 1)).rejects.toBe(reason);
});
