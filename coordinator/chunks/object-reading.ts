import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Clock } from '../../lib/clock/clock.ts';
import { assert } from '../../lib/errors/app-error.ts';
import type { Manifest } from '../objects/manifest.ts';
import type { ChunkReader, ChunkSlice, SliceReading } from './chunk-reader.ts';
import type { ObjectReading } from './object-store.ts';

/** When so little of a chunk is left to send, the next one is asked for. */
const PREFETCH_BYTES = 1024 * 1024;
/** How long a read takes is judged by its first bytes: some are of a whole video. */
const JUDGED_BYTES = 1024 * 1024;

export interface RingObjectReadingParts {
  readonly reader: ChunkReader;
  readonly slices: readonly ChunkSlice[];
  /** The first of the slices. */
  readonly opened: SliceReading;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Called once, when the first MiB or all of it was at hand, with the milliseconds that the receiver took for it. */
  readonly onServed: ((receiverMs: number) => void) | undefined;
  /** Called with the length of each piece that the receiver has taken. */
  readonly onBytesSent: ((bytes: number) => void) | undefined;
}

/** An object's slices, read one after the other. */
export class RingObjectReading implements ObjectReading {
  readonly #parts: RingObjectReadingParts;
  #opened: SliceReading | undefined;
  #ahead: Promise<SliceReading> | undefined;
  /** Of every slice but the first, which was opened with the caller's signal. */
  #abort: AbortController | undefined;
  /** Writes that the sink has not called back for; its callbacks come in order. */
  #unconfirmed = 0;
  #resolveWrite: (() => void) | undefined;
  #rejectWrite: ((reason: Error) => void) | undefined;

  constructor(parts: RingObjectReadingParts) {
    this.#parts = parts;
    this.#opened = parts.opened;
  }

  async sendTo(sink: Writable, signal: AbortSignal): Promise<void> {
    const stop = () => {
      const reason = signal.aborted ? signal.reason : sinkClosed();
      this.#abort?.abort(reason);
      this.#rejectWrite?.(reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    sink.once('close', stop);
    if (signal.aborted || sink.destroyed) stop();
    const { slices, clock, onServed, onBytesSent } = this.#parts;
    let sent = 0;
    let receiverMs = 0;
    try {
      for (let index = 0; index < slices.length; index++) {
        const slice = slices[index]!;
        const following = slices[index + 1];
        let left = slice.last - slice.first + 1;
        await this.#opened!.pipe((piece) => {
          left -= piece.length;
          // The next chunk's first bytes travel while this one's last are being sent.
          if (following && !this.#ahead && left <= PREFETCH_BYTES) this.#openAhead(following);
          const isJudged = sent < JUDGED_BYTES;
          sent += piece.length;
          const writtenMs = clock.monotonicMs();
          const taken = this.#write(sink, piece);
          if (taken) {
            return taken.then(() => {
              receiverMs += clock.monotonicMs() - writtenMs;
              if (isJudged && sent >= JUDGED_BYTES) onServed?.(receiverMs);
              onBytesSent?.(piece.length);
            });
          }
          if (isJudged && sent >= JUDGED_BYTES) onServed?.(receiverMs);
          onBytesSent?.(piece.length);
          return undefined;
        });
        this.#opened = undefined;
        if (following && !this.#ahead) this.#openAhead(following);
        this.#opened = await this.#ahead;
        this.#ahead = undefined;
      }
      if (sent < JUDGED_BYTES) onServed?.(receiverMs);
    } finally {
      signal.removeEventListener('abort', stop);
      sink.off('close', stop);
      this.cancel();
    }
  }

  cancel(): void {
    // After a reading that came to its end there is nobody to tell; an abort would cost more than a chunk's signature.
    if (!this.#opened && !this.#ahead) return;
    this.#opened?.cancel();
    this.#opened = undefined;
    this.#ahead?.then((reading) => reading.cancel()).catch(() => {});
    this.#ahead = undefined;
    this.#abort?.abort(sinkClosed());
  }

  #openAhead(slice: ChunkSlice): void {
    this.#abort ??= new AbortController();
    this.#ahead = this.#parts.reader.open(slice, this.#abort.signal);
    // Whoever awaits it hears of the failure; nobody does when the reading ends before.
    this.#ahead.catch(() => {});
  }

  /** The piece's memory may be used again at once when nothing is returned, else when the promise resolves. */
  #write(sink: Writable & { readonly socket?: Socket | null }, piece: Buffer): Promise<void> | undefined {
    const { socket } = sink;
    // A response whose connection is going away drops what is written and never calls back.
    if (sink.destroyed || socket?.destroyed) return Promise.reject(sinkClosed());
    this.#unconfirmed += 1;
    // A response would keep its head back until the next tick; so it goes out now, with the piece.
    socket?.cork();
    sink.write(piece, this.#onTaken);
    socket?.uncork();
    // The operating system took all of it at once; the callback comes later.
    if (sink.writableLength === 0 && !(socket ?? sink).errored) return undefined;
    return new Promise((resolve, reject) => {
      this.#resolveWrite = resolve;
      this.#rejectWrite = reject;
    });
  }

  readonly #onTaken = (error?: Error | null) => {
    this.#unconfirmed -= 1;
    if (error) this.#rejectWrite?.(error);
    else if (this.#unconfirmed === 0) this.#resolveWrite?.();
  };
}

function sinkClosed(): Error {
  return new Error('the receiver has gone');
}

/** The slices of chunks that make up bytes `first` to `last` of an object. */
export function slicesOf(manifest: Manifest, first: number, last: number): ChunkSlice[] {
  assert(first >= 0 && first <= last && last < manifest.size, 'the range lies within the object');
  const slices: ChunkSlice[] = [];
  let start = 0;
  for (const ref of manifest.chunks) {
    const end = start + ref.length - 1;
    if (end >= first && start <= last) {
      slices.push({ ref, first: Math.max(first - start, 0), last: Math.min(last, end) - start });
    }
    if (start > last) break;
    start = end + 1;
  }
  return slices;
}
