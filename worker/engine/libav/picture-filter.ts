import { AVERROR_EAGAIN, AVERROR_EOF } from 'node-av/constants';
import { type FilterContext, FilterGraph, Frame } from 'node-av/lib';
import { check } from './ffmpeg-failure.ts';

/**
 * A chain of FFmpeg's filters for pictures. Runs in the caller's thread: pictures of several sizes are made one after
 * another while encoders and the decoder work in threads of their own.
 */
export class PictureFilter implements Disposable {
  readonly #filters: string;
  readonly #out = new Frame();
  #graph: FilterGraph | undefined;
  #source: FilterContext | undefined;
  #sink: FilterContext | undefined;
  #madeFor = '';

  /** `filters`: as FFmpeg reads them, `scale=640:360:flags=bicubic,format=yuv420p`. */
  constructor(filters: string) {
    this.#filters = filters;
    this.#out.alloc();
  }

  /**
   * Filtered pictures; null: those that are left. They share one memory: a frame is gone when the next one is asked for.
   * Pictures may change their size or format midway.
   */
  *filter(frame: Frame | null): Generator<Frame, void> {
    if (frame === null) {
      if (this.#graph !== undefined) yield* this.#flush();
      return;
    }
    const shape = describe(frame);
    if (shape !== this.#madeFor) {
      if (this.#graph !== undefined) yield* this.#flush();
      this.#open(shape);
    }
    // It shares the memory of the picture, which stays the caller's.
    check(this.#source!.buffersrcAddFrameSync(frame, KEEP_REFERENCE), 'filtering a picture');
    yield* this.#take();
  }

  /** The one picture that a chain without delay makes of one. */
  filterOne(frame: Frame): Frame {
    const [first] = this.filter(frame);
    if (first === undefined) throw new Error(`The filters ${this.#filters} made no picture of one`);
    return first;
  }

  *#take(): Generator<Frame, void> {
    for (;;) {
      this.#out.unref();
      const code = this.#sink!.buffersinkGetFrameSync(this.#out);
      if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return;
      check(code, 'filtering a picture');
      yield this.#out;
    }
  }

  *#flush(): Generator<Frame, void> {
    check(this.#source!.buffersrcAddFrameSync(null), 'filtering the last pictures');
    yield* this.#take();
    this.#close();
  }

  #open(shape: string): void {
    const graph = new FilterGraph();
    graph.alloc();
    graph.nbThreads = 1;
    this.#graph = graph;
    check(graph.parsePtr(`buffer=${shape},${this.#filters},buffersink`), 'setting up filters');
    check(graph.configSync(), 'setting up filters');
    const filters = graph.filters ?? [];
    this.#source = filters.find(({ filter }) => filter?.name === 'buffer');
    this.#sink = filters.find(({ filter }) => filter?.name === 'buffersink');
    this.#madeFor = shape;
  }

  #close(): void {
    this.#graph?.free();
    this.#graph = undefined;
    this.#madeFor = '';
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#out.free();
  }
}

/** `AV_BUFFERSRC_FLAG_KEEP_REF`. */
const KEEP_REFERENCE = 8 as NonNullable<Parameters<FilterContext['buffersrcAddFrameSync']>[1]>;

/** What the chain has to know of the pictures that come in. Their times pass through untouched, whatever they count. */
function describe(frame: Frame): string {
  const { num, den } = frame.sampleAspectRatio;
  const aspect = num > 0 && den > 0 ? `${num}/${den}` : '0/1';
  return (
    `video_size=${frame.width}x${frame.height}:pix_fmt=${frame.format}:time_base=1/1:pixel_aspect=${aspect}` +
    `:colorspace=${frame.colorSpace}:range=${frame.colorRange}`
  );
}
