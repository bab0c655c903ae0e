import { expect, test, vi } from 'vitest';
import type { Video, VideoChanges } from '../api/types.ts';
import { isSameFile, titleOf, type UploadEntry } from './entry.ts';
import type { EntryStore } from './entry-store.ts';
import { type QueueOptions, UploadQueue } from './queue.ts';
import { RateMeter, secondsLeft } from './rate-meter.ts';
import type { SendHooks } from './send-file.ts';

class MemoryStore implements EntryStore {
  readonly entries = new Map<string, UploadEntry>();

  async all() {
    return [...this.entries.values()];
  }

  async put(entry: UploadEntry) {
    this.entries.set(entry.id, entry);
  }

  async remove(id: string) {
    this.entries.delete(id);
  }
}

interface Sending {
  readonly entry: UploadEntry;
  readonly hooks: SendHooks;
  resolve(videoId: string): void;
  reject(error: unknown): void;
}

/** A queue whose files are sent by hand. */
function world(options: Partial<QueueOptions> = {}, store = new MemoryStore()) {
  const sending: Sending[] = [];
  const changes: [id: string, changes: VideoChanges][] = [];
  const discarded: string[] = [];
  let count = 0;
  const queue = new UploadQueue({
    userId: 'grace',
    store,
    send: (_file, entry, hooks) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      hooks.signal.addEventListener('abort', () => reject(hooks.signal.reason));
      sending.push({ entry, hooks, resolve, reject });
      return promise;
    },
    change: async (id, change) => {
      changes.push([id, change]);
      return {} as Video;
    },
    discard: async ({ serverId }) => void discarded.push(serverId ?? 'none'),
    isServerThere: async () => true,
    exclusively: async (_id, work) => {
      await work();
      return true;
    },
    nowMs: () => 0,
    wait: async () => {},
    createId: () => `entry-${++count}`,
    ...options,
  });
  const states = () => queue.entries.value.map(({ state }) => state);
  /** Resolves when so many sendings have begun. */
  const begun = (sendings: number) => vi.waitFor(() => expect(sending.length).toBe(sendings));
  return { queue, sending, begun, changes, discarded, store, states };
}

function fileNamed(name: string) {
  return { file: new File(['0123456789'], name, { type: 'video/mp4', lastModified: 7 }), handle: null };
}

test('two files are sent at a time, in order, and become public only when they have their names', async () => {
  const { queue, sending, begun, changes, states } = world();
  await queue.add(['my_first.mp4', 'b.mp4', 'c.mp4'].map(fileNamed));
  await begun(2);
  expect(states()).toEqual(['sending', 'sending', 'waiting']);
  sending[0]!.resolve('video-1');
  await vi.waitFor(() => expect(states()).toEqual(['done', 'sending', 'sending']));
  expect(changes).toEqual([['video-1', { title: 'my first', description: '', visibility: 'public' }]]);
});

test('what is said while the video is being named is said as well', async () => {
  const changes: VideoChanges[] = [];
  const made: { queue?: UploadQueue } = {};
  const { queue, sending, begun, states } = world({
    change: async (_id, change) => {
      changes.push(change);
      if (changes.length === 1) await made.queue!.edit('entry-1', { visibility: 'private' });
      return {} as Video;
    },
  });
  made.queue = queue;
  await queue.add([fileNamed('a.mp4')]);
  await begun(1);
  sending[0]!.resolve('video-1');
  await vi.waitFor(() => expect(states()).toEqual(['done']));
  expect(changes.map(({ visibility }) => visibility)).toEqual(['public', 'private']);
});

test('a paused upload goes on with what the server has of it', async () => {
  const { queue, sending, begun, states } = world();
  await queue.add([fileNamed('a.mp4')]);
  await begun(1);
  await sending[0]!.hooks.onServerId('upload-1');
  await queue.pause('entry-1');
  expect(states()).toEqual(['paused']);
  expect(sending[0]!.hooks.signal.aborted).toBe(true);
  expect(await queue.resume('entry-1')).toBe(true);
  await vi.waitFor(() => expect(sending.length).toBe(2));
  expect(sending[1]!.entry.serverId).toBe('upload-1');
});

test('after a reload the file is chosen again, only one’s own uploads are there, and the same upload goes on', async () => {
  const before = world();
  await before.queue.add([fileNamed('a.mp4')]);
  await before.begun(1);
  await before.sending[0]!.hooks.onServerId('upload-1');
  const others = world({ userId: 'ada' }, before.store);
  await others.queue.restore();
  expect(others.states()).toEqual([]);

  const after = world({ createId: () => 'entry-9' }, before.store);
  await after.queue.restore();
  expect(after.states()).toEqual(['needsFile']);
  expect(await after.queue.resume('entry-1')).toBe(false);
  await after.queue.add([fileNamed('other.mp4'), fileNamed('a.mp4')]);
  await vi.waitFor(() => expect(after.sending.length).toBe(2));
  expect(after.sending.map(({ entry }) => entry.serverId).sort()).toEqual([null, 'upload-1'].sort());
});

test('a video whose bytes were all there when the page was left is named without its file', async () => {
  const { queue, changes, store, states } = world();
  const [entry] = await makeEntries();
  await store.put({ ...entry!, state: 'finishing', videoId: 'video-1' });
  await queue.restore();
  await vi.waitFor(() => expect(states()).toEqual(['done']));
  expect(changes.map(([id]) => id)).toEqual(['video-1']);
});

test('what fails for now is tried again by itself, and what fails for good says why', async () => {
  const { queue, sending, begun, states } = world();
  await queue.add([fileNamed('a.mp4')]);
  await begun(1);
  sending[0]!.reject({ status: 0, code: 'unreachable', message: '' });
  await vi.waitFor(() => expect(sending.length).toBe(2));
  sending[1]!.reject({ status: 413, code: 'quota_exceeded', message: 'too much' });
  await vi.waitFor(() => expect(states()).toEqual(['failed']));
  expect(queue.entries.value[0]!.problem).toEqual({ code: 'quota_exceeded', message: 'too much' });
});

test('an upload that is given up leaves nothing on the server, and one that another tab makes is left to it', async () => {
  const { queue, sending, begun, discarded, store } = world();
  await queue.add([fileNamed('a.mp4')]);
  await begun(1);
  await sending[0]!.hooks.onServerId('upload-1');
  await queue.remove('entry-1');
  expect([discarded, store.entries.size, queue.entries.value]).toEqual([['upload-1'], 0, []]);

  const second = world({ exclusively: async () => false });
  await second.queue.add([fileNamed('a.mp4')]);
  await vi.waitFor(() => expect(second.states()).toEqual(['paused']));
  expect(second.sending.length).toBe(0);
});

test('the rate is that of the last seconds, and unknown at first', () => {
  const meter = new RateMeter();
  meter.add(0, 0);
  expect(meter.rate(100)).toBeNull();
  meter.add(1000, 5000);
  expect(meter.rate(1000)).toBe(5000);
  meter.add(20_000, 5000);
  meter.add(21_000, 6000);
  expect(meter.rate(21_000)).toBe(1000);
  meter.add(22_000, 100);
  expect(meter.rate(22_000)).toBeNull();
  expect([secondsLeft(100, 50), secondsLeft(100, null), secondsLeft(100, 0)]).toEqual([2, null, null]);
});

test('files are told apart, and get a title of their names', () => {
  const entry = { name: 'a.mp4', size: 10, lastModified: 7 };
  expect(isSameFile(entry, fileNamed('a.mp4').file)).toBe(true);
  expect(isSameFile({ ...entry, size: 11 }, fileNamed('a.mp4').file)).toBe(false);
  expect(['my_clip.mp4', '.mp4', 'no extension', 'a.b.tar'].map(titleOf)).toEqual([
    ...['my clip', '.mp4', 'no extension', 'a.b'],
  ]);
});

async function makeEntries(): Promise<readonly UploadEntry[]> {
  const { queue } = world();
  await queue.add([fileNamed('a.mp4')]);
  return queue.entries.value;
}
