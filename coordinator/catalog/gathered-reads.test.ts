import { expect, test } from 'vitest';
import { GatheredReads } from './gathered-reads.ts';
import { GATHERED_IDS_MAX } from './limits.ts';

/** A database that answers when it is told to. */
function slowDatabase() {
  const statements: { ids: readonly string[]; end: (error?: Error) => void }[] = [];
  const read = (ids: readonly string[]) =>
    new Promise<{ id: string }[]>((resolve, reject) => {
      const found = ids.filter((id) => id !== 'nobody').map((id) => ({ id }));
      statements.push({ ids, end: (error) => (error ? reject(error) : resolve(found.toReversed())) });
    });
  return { statements, read };
}

test('who asks while a read is under way shares the next one, which has each id once', async () => {
  const { statements, read } = slowDatabase();
  const reads = new GatheredReads({ read, readsMax: 1 });
  const first = reads.load(['a']);
  const others = [reads.load(['b', 'a']), reads.load(['nobody', 'b'])];
  expect(statements.map(({ ids }) => ids)).toEqual([['a']]);
  statements[0]!.end();
  expect(await first).toEqual([{ id: 'a' }]);
  await expect.poll(() => statements.length).toBe(2);
  expect(statements[1]!.ids).toEqual(['b', 'a', 'nobody']);
  statements[1]!.end();
  expect(await Promise.all(others)).toEqual([[{ id: 'b' }, { id: 'a' }], [{ id: 'b' }]]);
});

test('a statement that fails does so for those that share it, and the next one runs', async () => {
  const { statements, read } = slowDatabase();
  const reads = new GatheredReads({ read, readsMax: 1 });
  const first = reads.load(['a']);
  const second = reads.load(['b']);
  statements[0]!.end(new Error('gone'));
  await expect(first).rejects.toThrow('gone');
  await expect.poll(() => statements.length).toBe(2);
  statements[1]!.end();
  expect(await second).toEqual([{ id: 'b' }]);
});

test('statements are bounded in number and in size', async () => {
  const { statements, read } = slowDatabase();
  const reads = new GatheredReads({ read, readsMax: 2 });
  const many = (name: string) => Array.from({ length: GATHERED_IDS_MAX - 1 }, (_, at) => `${name}${at}`);
  const loads = ['a', 'b', 'c', 'd', 'e'].map((name) => reads.load(many(name)));
  expect(statements).toHaveLength(2);
  for (let ended = 0; ended < 5; ended++) {
    await expect.poll(() => statements.length).toBeGreaterThan(ended);
    statements[ended]!.end();
  }
  expect((await Promise.all(loads)).map((rows) => rows.length)).toEqual(Array(5).fill(GATHERED_IDS_MAX - 1));
  expect(statements).toHaveLength(5);
});
