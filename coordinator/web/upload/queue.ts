import { type Signal, signal } from '@preact/signals';
import type { Video, VideoChanges } from '../api/types.ts';
import { isSameFile, newEntry, type UploadEntry } from './entry.ts';
import type { EntryStore } from './entry-store.ts';
import { RateMeter } from './rate-meter.ts';
import type { SendHooks } from './send-file.ts';

export interface QueueOptions {
  readonly userId: string;
  readonly store: EntryStore;
  /** Resolves with the video's id. */
  readonly send: (file: File, entry: UploadEntry, hooks: SendHooks) => Promise<string>;
  /** Says of the video what the user wants said. */
  readonly change: (videoId: string, changes: VideoChanges) => Promise<Video>;
  /** Takes back what was begun on the server. */
  readonly discard: (entry: UploadEntry) => Promise<void>;
  readonly isServerThere: () => Promise<boolean>;
  /** Runs the work unless another tab does so already; resolves with whether it has run. */
  readonly exclusively: (id: string, work: () => Promise<void>) => Promise<boolean>;
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly createId: () => string;
  readonly onChange?: (entries: readonly UploadEntry[]) => void;
}

/** Files sent at a time; the parts of each go side by side anyway. */
const AT_ONCE = 2;
const ASK_AGAIN_MS = 3000;
/** Progress is written down this often; what was sent since is asked of the server. */
const SAVE_EVERY_MS = 1000;

type Fields = Pick<UploadEntry, 'title' | 'description' | 'visibility'>;

/** The files that become videos: in order, a few at a time, each to be paused, gone on with and given up. */
export class UploadQueue {
  readonly entries: Signal<readonly UploadEntry[]> = signal<readonly UploadEntry[]>([]);
  readonly #options: QueueOptions;
  readonly #files = new Map<string, File>();
  readonly #running = new Map<string, AbortController>();
  readonly #meters = new Map<string, RateMeter>();
  readonly #savedMs = new Map<string, number>();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Brings back what was being sent when the page was left. */
  async restore(): Promise<void> {
    const all = await this.#options.store.all().catch(() => []);
    const known = new Set(this.entries.peek().map(({ id }) => id));
    const mine = all.filter(({ id, userId }) => userId === this.#options.userId && !known.has(id));
    const restored = mine
      .toSorted((a, b) => a.addedMs - b.addedMs)
      .map((entry): UploadEntry => {
        if (entry.state === 'done' || entry.state === 'failed') return entry;
        // The bytes are all there: what is left needs no file.
        if (entry.state === 'finishing') return entry;
        return { ...entry, state: entry.handle === null ? 'needsFile' : 'paused' };
      });
    this.#set([...restored, ...this.entries.peek()]);
    for (const entry of restored) if (entry.state === 'finishing') void this.#run(entry.id);
  }

  /** Adds files; those that were being sent before go on where they were. */
  async add(
    files: readonly { readonly file: File; readonly handle: FileSystemFileHandle | null }[],
  ): Promise<void> {
    const { userId, createId, nowMs, store } = this.#options;
    for (const { file, handle } of files) {
      const waiting = this.entries
        .peek()
        .find((entry) => entry.state === 'needsFile' && isSameFile(entry, file));
      const entry: UploadEntry =
        waiting === undefined
          ? newEntry(file, { id: createId(), userId, nowMs: nowMs(), handle })
          : { ...waiting, state: 'waiting', handle: handle ?? waiting.handle };
      this.#files.set(entry.id, file);
      if (waiting === undefined) this.#set([...this.entries.peek(), entry]);
      else this.#replace(entry);
      await store.put(entry).catch(() => {});
    }
    this.#next();
  }

  async edit(id: string, fields: Partial<Fields>): Promise<void> {
    const entry = await this.#change(id, fields);
    if (entry?.state !== 'done' || entry.videoId === null) return;
    await this.#options.change(entry.videoId, fieldsOf(entry));
  }

  async pause(id: string): Promise<void> {
    await this.#change(id, { state: 'paused' });
    this.#running.get(id)?.abort(new DOMException('Paused', 'AbortError'));
    this.#meters.get(id)?.clear();
    this.#next();
  }

  /** Goes on; with a file when the page does not have it any more. Resolves with whether it has what it needs. */
  async resume(id: string): Promise<boolean> {
    const entry = this.#find(id);
    if (entry === undefined) return false;
    if (!this.#files.has(id) && entry.videoId === null) {
      const file = await fileOf(entry);
      if (file === undefined) {
        await this.#change(id, { state: 'needsFile' });
        return false;
      }
      this.#files.set(id, file);
    }
    await this.#change(id, { state: 'waiting', problem: null });
    this.#next();
    return true;
  }

  /** Takes the entry from the list, and what was sent of it from the server. */
  async remove(id: string): Promise<void> {
    const entry = this.#find(id);
    if (entry === undefined) return;
    this.#running.get(id)?.abort(new DOMException('Removed', 'AbortError'));
    this.#files.delete(id);
    this.#meters.delete(id);
    this.#set(this.entries.peek().filter((one) => one.id !== id));
    await this.#options.store.remove(id).catch(() => {});
    if (entry.state !== 'done') await this.#options.discard(entry).catch(() => {});
    this.#next();
  }

  /** Bytes a second; null when it cannot be told. */
  rateOf(id: string): number | null {
    return this.#meters.get(id)?.rate(this.#options.nowMs()) ?? null;
  }

  #next(): void {
    for (const { id, state } of this.entries.peek()) {
      if (this.#running.size >= AT_ONCE) return;
      if (state === 'waiting' && !this.#running.has(id)) void this.#run(id);
    }
  }

  async #run(id: string): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const hasRun = await this.#options.exclusively(id, () => this.#send(id, controller.signal));
      // Another tab is at it.
      if (!hasRun) await this.#change(id, { state: 'paused' });
    } finally {
      this.#running.delete(id);
      this.#next();
    }
  }

  /** Until it is done, given up, or failed for good. */
  async #send(id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#sendOnce(id, signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const { code, message, isPassing } = failureOf(error);
        if (!isPassing) {
          await this.#change(id, { state: 'failed', problem: { code, message } });
          return;
        }
        await this.#change(id, { state: 'offline' });
        do await this.#options.wait(ASK_AGAIN_MS);
        while (!signal.aborted && !(await this.#options.isServerThere()));
        if (signal.aborted) return;
      }
    }
  }

  async #sendOnce(id: string, signal: AbortSignal): Promise<void> {
    let entry = this.#find(id)!;
    if (entry.videoId === null) {
      const file = this.#files.get(id);
      if (file === undefined) {
        await this.#change(id, { state: 'needsFile' });
        return;
      }
      await this.#change(id, { state: 'sending', problem: null });
      const videoId = await this.#options.send(file, this.#find(id)!, this.#hooksOf(id, signal));
      signal.throwIfAborted();
      entry = (await this.#change(id, { videoId, state: 'finishing', sentBytes: entry.size }))!;
    }
    // What was said last counts, also what is said while this is under way.
    for (let said: Fields | undefined; said === undefined || !isSaid(said, this.#find(id)); ) {
      said = fieldsOf(this.#find(id)!);
      await this.#options.change(entry.videoId!, said);
    }
    await this.#change(id, { state: 'done', serverId: null, handle: null });
    this.#files.delete(id);
  }

  #hooksOf(id: string, signal: AbortSignal): SendHooks {
    const meter = new RateMeter();
    this.#meters.set(id, meter);
    return {
      signal,
      onProgress: (sentBytes) => {
        const nowMs = this.#options.nowMs();
        meter.add(nowMs, sentBytes);
        const isDue = nowMs - (this.#savedMs.get(id) ?? 0) > SAVE_EVERY_MS;
        if (isDue) this.#savedMs.set(id, nowMs);
        void this.#change(id, { sentBytes }, isDue);
      },
      onServerId: async (serverId) => {
        await this.#change(id, { serverId });
      },
      onWay: async (way) => {
        const before = this.#find(id)!;
        void this.#options.discard(before).catch(() => {});
        return (await this.#change(id, { way, serverId: null, sentBytes: 0 }))!;
      },
    };
  }

  #find(id: string): UploadEntry | undefined {
    return this.entries.peek().find((entry) => entry.id === id);
  }

  async #change(id: string, changes: Partial<UploadEntry>, isKept = true): Promise<UploadEntry | undefined> {
    const entry = this.#find(id);
    if (entry === undefined) return undefined;
    const changed = { ...entry, ...changes };
    this.#replace(changed);
    if (isKept) await this.#options.store.put(changed).catch(() => {});
    return changed;
  }

  #replace(entry: UploadEntry): void {
    this.#set(this.entries.peek().map((one) => (one.id === entry.id ? entry : one)));
  }

  #set(entries: readonly UploadEntry[]): void {
    this.entries.value = entries;
    this.#options.onChange?.(entries);
  }
}

function fieldsOf({ title, description, visibility }: UploadEntry): Fields {
  return { title, description, visibility };
}

function isSaid(said: Fields, entry: UploadEntry | undefined): boolean {
  return entry === undefined || JSON.stringify(fieldsOf(entry)) === JSON.stringify(said);
}

/** The file again by its handle, if the browser has one and the user allows it. */
async function fileOf(entry: UploadEntry): Promise<File | undefined> {
  const handle = entry.handle as
    | (FileSystemFileHandle & { requestPermission?: (options: { mode: 'read' }) => Promise<PermissionState> })
    | null;
  if (handle === null) return undefined;
  try {
    if ((await handle.requestPermission?.({ mode: 'read' })) === 'denied') return undefined;
    const file = await handle.getFile();
    return isSameFile(entry, file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** What fails for now and goes on by itself, and what does not. */
function failureOf(error: unknown): { code: string; message: string; isPassing: boolean } {
  const { status, code, message } = error as { status?: unknown; code?: unknown; message?: unknown };
  const isPassing =
    typeof status === 'number' && (status === 0 || status === 429 || (status >= 500 && status !== 507));
  return {
    code: typeof code === 'string' ? code : 'internal',
    message: typeof message === 'string' ? message : '',
    isPassing,
  };
}
