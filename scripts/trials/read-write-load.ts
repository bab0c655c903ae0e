import { ByteClient } from '../../lib/byte-client/byte-client.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import { SeededRandom } from '../bench/seeded-random.ts';
import type { LoadLedger, LoadSample, LoadSettings } from './load-messages.ts';
import { LoadTally } from './load-tally.ts';
import { type Slice, SourceBytes } from './source-bytes.ts';
import { VideoLedger } from './video-ledger.ts';

const IDLE_TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024;
/** One read in so many asks for a video that was deleted. */
const DELETED_READS = 25;
/** One read in so many asks for something that was uploaded a moment ago. */
const FRESH_READS = 3;
/** After a failure, so that a coordinator that is away is not hammered. */
const FAILURE_PAUSE_MS = 100;
const BUSY_POLL_MS = 20;

interface Readable {
  readonly id: string;
  readonly slice: Slice;
}

/**
 * Uploaders and range readers that go on whatever happens. Every byte that comes is compared with the source; what
 * was uploaded is read too, and what was deleted has to stay away.
 */
export class ReadWriteLoad {
  readonly #settings: LoadSettings;
  readonly #source: SourceBytes;
  readonly #client: ByteClient;
  readonly #tally = new LoadTally();
  readonly #ledger = new VideoLedger();
  readonly #fresh: Readable[] = [];
  readonly #deleted: string[] = [];
  /** How many reads of a video are under way; it is deleted only when there is none. */
  readonly #busy = new Map<string, number>();
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(settings: LoadSettings) {
    this.#settings = settings;
    this.#source = new SourceBytes(settings.sourceSeed);
    this.#client = new ByteClient({
      clock: systemClock,
      connectTimeoutMs: 5000,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      maxIdlePerHost: settings.uploaders + settings.readers,
    });
  }

  start(): void {
    const { uploaders, readers, seed } = this.#settings;
    this.#running = Promise.all([
      ...Array.from({ length: uploaders }, (_, index) => this.#upload(new SeededRandom(seed + 2 * index))),
      ...Array.from({ length: readers }, (_, index) => this.#read(new SeededRandom(seed + 2 * index + 1))),
    ]);
  }

  sample(): LoadSample {
    return this.#tally.take();
  }

  /** What was uploaded and is stored now, and what was deleted; the corpus not included. */
  ledger(): LoadLedger {
    return { stored: this.#ledger.videos, deletedIds: this.#ledger.deletedIds };
  }

  /** Resolves when every request has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#client[Symbol.asyncDispose]();
  }

  async #upload(random: SeededRandom): Promise<void> {
    const { uploadSizes, uploadPauseMs, uploadsKept } = this.#settings;
    const own: Readable[] = [];
    // Not all at the same moment.
    await this.#pause(random.below(uploadPauseMs + 1));
    while (!this.#stop.signal.aborted) {
      const slice = this.#source.choose(random, random.pick(uploadSizes));
      const id = await this.#uploadOne(slice);
      if (id !== undefined) own.push({ id, slice });
      if (own.length > uploadsKept) await this.#deleteOne(own.shift()!);
      await this.#pause(id === undefined ? FAILURE_PAUSE_MS + uploadPauseMs : uploadPauseMs);
    }
  }

  async #uploadOne(slice: Slice): Promise<string | undefined> {
    const { target, chunkBytes } = this.#settings;
    const startMs = performance.now();
    this.#tally.attempted(slice.size);
    try {
      const response = await this.#client.request({
        method: target.uploadMethod,
        url: target.url + target.uploadPath,
        headers: target.headers,
        body: this.#source.bytes(slice),
      });
      const text = await response.text(ANSWER_BYTES_MAX);
      if (response.status !== 201) {
        this.#tally.uploadFailed(`${response.status} ${codeIn(text)}`.trimEnd(), text);
        return undefined;
      }
      const { id, size, sha256 } = JSON.parse(text) as { id: string; size: number; sha256: string };
      if (size !== slice.size || sha256 !== this.#source.sha256(slice)) {
        this.#tally.wrong(`upload of ${slice.size} bytes was stored as ${size} others`);
        return undefined;
      }
      this.#tally.uploaded(performance.now() - startMs, slice.size);
      this.#ledger.add({ id, slice, sha256, firstChunk: this.#source.firstChunk(slice, chunkBytes) });
      this.#fresh.push({ id, slice });
      return id;
    } catch (error) {
      this.#tally.uploadFailed(nameOf(error), String(error));
      return undefined;
    }
  }

  async #deleteOne({ id }: Readable): Promise<void> {
    const { target } = this.#settings;
    this.#fresh.splice(
      this.#fresh.findIndex((video) => video.id === id),
      1,
    );
    while (this.#busy.has(id)) await systemClock.sleep(BUSY_POLL_MS);
    this.#ledger.remove(id);
    // Deleting is idempotent but for its answer: after a cut connection, 404 says that it was done.
    for (let cut = false; ; ) {
      try {
        const response = await this.#client.request({
          method: 'DELETE',
          url: target.url + target.deletePath.replace('{name}', id),
          headers: target.headers,
        });
        const text = await response.text(ANSWER_BYTES_MAX);
        if (response.status === 204 || (cut && response.status === 404)) {
          this.#tally.deleted();
          this.#deleted.push(id);
          return;
        }
        this.#tally.deleteFailed(`${response.status} ${codeIn(text)}`, text);
        if (response.status < 500) return;
      } catch (error) {
        cut = true;
        this.#tally.deleteFailed(nameOf(error), String(error));
      }
      if (this.#stop.signal.aborted) return;
      await this.#pause(FAILURE_PAUSE_MS);
    }
  }

  async #read(random: SeededRandom): Promise<void> {
    const { corpus, readPauseMs } = this.#settings;
    await this.#pause(random.below(readPauseMs + 1));
    while (!this.#stop.signal.aborted) {
      let succeeded: boolean;
      if (this.#deleted.length > 0 && random.below(DELETED_READS) === 0) {
        succeeded = await this.#readDeleted(random.pick(this.#deleted));
      } else {
        const isFresh = this.#fresh.length > 0 && random.below(FRESH_READS) === 0;
        const video = random.pick(isFresh || corpus.length === 0 ? this.#fresh : corpus);
        succeeded = video === undefined || (await this.#readOne(video, random));
      }
      await this.#pause(succeeded ? readPauseMs : FAILURE_PAUSE_MS + readPauseMs);
    }
  }

  async #readOne({ id, slice }: Readable, random: SeededRandom): Promise<boolean> {
    const { target, readBytes } = this.#settings;
    const first = random.below(Math.max(1, slice.size - readBytes + 1));
    const length = Math.min(readBytes, slice.size - first);
    const what = `${id} bytes ${first}-${first + length - 1} of ${slice.size}`;
    this.#busy.set(id, (this.#busy.get(id) ?? 0) + 1);
    const startMs = performance.now();
    try {
      const response = await this.#client.request({
        method: 'GET',
        url: target.url + target.contentPath.replace('{name}', id),
        headers: { range: `bytes=${first}-${first + length - 1}` },
      });
      if (response.status !== 206) {
        const text = await response.text(ANSWER_BYTES_MAX);
        if (response.status === 404) this.#tally.false404(`${what}: ${text}`);
        else this.#tally.readFailed(`${response.status} ${codeIn(text)}`.trimEnd(), `${what}: ${text}`);
        return false;
      }
      const expected = this.#source.bytes({ offset: slice.offset + first, size: length });
      let received = 0;
      let isRight = response.contentLength === length;
      await response.pipe((piece) => {
        isRight &&= piece.equals(expected.subarray(received, received + piece.length));
        received += piece.length;
      });
      if (!isRight || received !== length) {
        this.#tally.wrong(`${what} (${received} bytes came)`);
        return false;
      }
      this.#tally.read(performance.now() - startMs, length);
      return true;
    } catch (error) {
      this.#tally.readFailed(nameOf(error), `${what}: ${error}`);
      return false;
    } finally {
      const left = this.#busy.get(id)! - 1;
      if (left === 0) this.#busy.delete(id);
      else this.#busy.set(id, left);
    }
  }

  async #readDeleted(id: string): Promise<boolean> {
    const { target } = this.#settings;
    try {
      const response = await this.#client.request({
        method: 'GET',
        url: target.url + target.contentPath.replace('{name}', id),
        headers: { range: 'bytes=0-0' },
      });
      const { status } = response;
      await response.text(ANSWER_BYTES_MAX);
      if (status < 300) this.#tally.reappeared(id);
      else if (status !== 404) this.#tally.readFailed(`${status} for a deleted video`, id);
      return status === 404;
    } catch (error) {
      this.#tally.readFailed(nameOf(error), `deleted ${id}: ${error}`);
      return false;
    }
  }

  async #pause(ms: number): Promise<void> {
    await systemClock.sleep(ms, this.#stop.signal).catch(() => {});
  }
}

function codeIn(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? '';
}

/** A cut or refused connection, by the byte client's name for it. */
function nameOf(error: unknown): string {
  return isAppError(error) ? error.code : 'failed';
}
