import { expect, it } from 'vitest';
import { type FileSystem, nodeFileSystem } from './file-system.ts';
import { GroupCommit } from './group-commit.ts';
import { KeyedLock } from './keyed-lock.ts';
import { LruCache } from './lru-cache.ts';
import { OpenFiles } from './open-files.ts';

it('group commit: one call for all who came while another ran, and none joins a call that has begun', async () => {
  const calls: number[][] = [];
  const gates: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const group = new GroupCommit<number>((items) => {
    calls.push(items);
    return new Promise((resolve, reject) => gates.push({ resolve, reject }));
  });
  const first = group.add(1);
  const others = [group.add(2), group.add(3)];
  expect(calls).toEqual([[1]]);
  gates[0]!.resolve();
  await first;
  await Promise.resolve();
  const late = group.add(4);
  expect(calls).toEqual([[1], [2, 3]]);
  gates[1]!.reject(new Error('no'));
  expect((await Promise.allSettled(others)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await Promise.resolve();
  expect(calls[2]).toEqual([4]);
  gates[2]!.resolve();
  await late;
  expect(group.calls).toBe(3);
});

it('keyed lock: one after the other for a key, side by side for others, and on after an error', async () => {
  const lock = new KeyedLock();
  const events: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const slow = lock.run('a', async () => {
    events.push('a1 begins');
    await gate;
    events.push('a1 ends');
    throw new Error('no');
  });
  const next = lock.run('a', async () => events.push('a2'));
  await lock.run('b', async () => events.push('b'));
  expect(events).toEqual(['a1 begins', 'b']);
  open();
  await expect(slow).rejects.toThrow('no');
  await next;
  await lock.idle();
  expect(events).toEqual(['a1 begins', 'b', 'a1 ends', 'a2']);
});

it('LRU cache: the least recently used goes first, and all within the limit', () => {
  const left: number[] = [];
  const cache = new LruCache<number>({
    limit: 10,
    costOf: (value) => value,
    onLeave: (value) => left.push(value),
  });
  cache.set('a', 4);
  cache.set('b', 3);
  cache.get('a');
  cache.set('c', 5);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([4, undefined, 5]);
  cache.set('a', 1);
  cache.set('d', 11);
  expect(cache.get('d')).toBeUndefined();
  cache.clear();
  expect(left.toSorted((a, b) => a - b)).toEqual([1, 3, 4, 5, 11]);
});

it('open files: few at a time, none closed under a reader, none used after it was forgotten', async () => {
  let opened = 0;
  const open = new Set<number>();
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    open: async () => {
      open.add(++opened);
      return opened;
    },
    close: async (descriptor) => void open.delete(descriptor),
  };
  const files = new OpenFiles(fileSystem, 2);
  const { promise: gate, resolve: end } = Promise.withResolvers<void>();
  const reading = files.use('a', '/a', async (descriptor) => {
    await gate;
    return open.has(descriptor);
  });
  for (const name of ['b', 'c', 'd']) await files.use(name, `/${name}`, async () => {});
  files.forget('a');
  expect(await files.use('a', '/a', async (descriptor) => descriptor)).toBe(5);
  expect(open.has(1)).toBe(true);
  end();
  expect(await reading).toBe(true);
  await files[Symbol.asyncDispose]();
  expect(open.size).toBe(0);

  const failing = new OpenFiles({ ...fileSystem, open: () => Promise.reject(new Error('no')) }, 2);
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(failing.use('a', '/a', async () => {})).rejects.toThrow('no');
  }
  await failing[Symbol.asyncDispose]();
});
