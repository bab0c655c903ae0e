import { AVERROR_EAGAIN, AVERROR_EOF } from 'node-av/constants';
import {
  avChannelLayoutDefault,
  avChannelLayoutDescribe,
  avGetSampleFmtName,
  type FilterContext,
  FilterGraph,
  Frame,
} from 'node-av/lib';
import { check } from '../libav/ffmpeg-failure.ts';
import { DRIFT_SECONDS_MAX, FRAME_SAMPLES } from './limits.ts';

/** Mixing several channels to two can go beyond full scale; loud moments are turned down then. */
const LIMITER = 'alimiter=limit=0.97:level=false:latency=true';

/**
 * Turns decoded sound into frames of an encoder's size, rate and channels without a gap from time 0 on: what is missing is
 * silence, what is from before, or there twice, is left out.
 */
export class SoundFilter implements Disposable {
  readonly sampleRate: number;
  readonly #layout: 'mono' | 'stereo';
  readonly #out = new Frame();
  #graph: FilterGraph | undefined;
  #source: FilterContext | undefined;
  #sink: FilterContext | undefined;
  #madeFor = '';
  #samplesMade = 0;

  constructor(sampleRate: number, channels: number) {
    this.sampleRate = sampleRate;
    this.#layout = channels === 1 ? 'mono' : 'stereo';
    this.#out.alloc();
  }

  /** `frame.pts`: samples of its own rate since time 0; null: what is left. A frame is gone when the next one is asked for. */
  *filter(frame: Frame | null): Generator<Frame, void> {
    if (frame === null) {
      if (this.#graph !== undefined) yield* this.#flush();
      return;
    }
    const shape = describe(frame);
    if (shape !== this.#madeFor) {
      if (this.#graph !== undefined) yield* this.#flush();
      this.#open(shape, frame.channels);
    }
    check(this.#source!.buffersrcAddFrameSync(frame), 'converting sound');
    yield* this.#take();
  }

  *#take(): Generator<Frame, void> {
    for (;;) {
      this.#out.unref();
      const code = this.#sink!.buffersinkGetFrameSync(this.#out);
      if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return;
      check(code, 'converting sound');
      this.#samplesMade += this.#out.nbSamples;
      yield this.#out;
    }
  }

  *#flush(): Generator<Frame, void> {
    check(this.#source!.buffersrcAddFrameSync(null), 'converting the last sound');
    yield* this.#take();
    this.#close();
  }

  #open(shape: string, channels: number): void {
    const graph = new FilterGraph();
    graph.alloc();
    graph.nbThreads = 1;
    this.#graph = graph;
    const filters = [
      `abuffer=${shape}`,
      `aresample=${this.sampleRate}:async=1:min_hard_comp=${DRIFT_SECONDS_MAX}:first_pts=${this.#samplesMade}:ochl=${this.#layout}:osf=fltp`,
      ...(channels > 2 ? [LIMITER] : []),
      `aformat=sample_fmts=fltp:sample_rates=${this.sampleRate}:channel_layouts=${this.#layout}`,
      `asetnsamples=n=${FRAME_SAMPLES}:p=1`,
      'abuffersink',
    ];
    check(graph.parsePtr(filters.join(',')), 'setting up filters of sound');
    check(graph.configSync(), 'setting up filters of sound');
    const all = graph.filters ?? [];
    this.#source = all.find(({ filter }) => filter?.name === 'abuffer');
    this.#sink = all.find(({ filter }) => filter?.name === 'abuffersink');
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

function describe(frame: Frame): string {
  const layout =
    frame.channelLayout.mask === 0n ? avChannelLayoutDefault(frame.channels) : frame.channelLayout;
  const format = avGetSampleFmtName(frame.format as Parameters<typeof avGetSampleFmtName>[0]);
  return (
    `time_base=1/${frame.sampleRate}:sample_rate=${frame.sampleRate}:sample_fmt=${format}` +
    `:channel_layout=${avChannelLayoutDescribe(layout)}`
  );
}
