import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { SourceGroup } from './source-groups.ts';

type Sink = Writable & { readonly socket?: Socket | null };

/**
 * Takes a group's bytes and hands on those that are wanted, as fast as the sink takes them. Nothing is copied: like the sink's
 * own, its `writableLength` is 0 after a write whose memory may be used again.
 */
export class GapFilter extends Writable {
  readonly #sink: Sink;
  readonly #group: SourceGroup;
  /** Of the next byte that comes, in the source. */
  #position: number;
  /** The first range that is not behind it. */
  #next = 0;

  constructor(sink: Sink, group: SourceGroup) {
    super({ highWaterMark: 0 });
    this.#sink = sink;
    this.#group = group;
    this.#position = group.first;
    // The reading hears of it by the write that failed.
    this.on('error', () => {});
  }

  override _write(piece: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const sink = this.#sink;
    // A response whose connection is going away drops what is written and never calls back.
    if (sink.destroyed || sink.socket?.destroyed) {
      done(new Error('the receiver has gone'));
      return;
    }
    const wanted = this.#wantedOf(piece);
    this.#position += piece.length;
    const last = wanted.pop();
    if (last === undefined) {
      done();
      return;
    }
    let isDone = false;
    const finish = (error?: Error | null) => {
      if (isDone) return;
      isDone = true;
      done(error);
    };
    sink.socket?.cork();
    for (const part of wanted) sink.write(part);
    sink.write(last, finish);
    sink.socket?.uncork();
    // The operating system took all of it at once; the callback comes later.
    if (sink.writableLength === 0 && !(sink.socket ?? sink).errored) finish();
  }

  #wantedOf(piece: Buffer): Buffer[] {
    const wanted: Buffer[] = [];
    const end = this.#position + piece.length;
    for (;;) {
      const range = this.#group.ranges[this.#next];
      if (range === undefined || range.offset >= end) return wanted;
      const rangeEnd = range.offset + range.length;
      const from = Math.max(range.offset, this.#position) - this.#position;
      wanted.push(piece.subarray(from, Math.min(rangeEnd, end) - this.#position));
      if (rangeEnd > end) return wanted;
      this.#next += 1;
    }
  }
}
