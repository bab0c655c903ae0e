import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_MPEG,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type FFEncoderCodec,
} from 'node-av/constants';
import { Codec, CodecContext, type Frame, Packet, Rational } from 'node-av/lib';
import type { MadeVideo, VideoRung } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { type Colours, videoInit } from '../cmaf/init-segment.ts';
import { PieceWriter } from '../cmaf/piece-writer.ts';
import { makeSegment, type Sample } from '../cmaf/segment.ts';
import { check } from '../libav/ffmpeg-failure.ts';
import { openCodec } from '../libav/open-codec.ts';
import { BUFFER_SECONDS, x264Options } from './x264-settings.ts';

export interface RungEncoderOptions {
  readonly rung: VideoRung;
  readonly frameRate: number;
  readonly colours: Colours;
  readonly timescale: number;
  /** Where the piece's segments begin, and its end. */
  readonly boundaries: readonly number[];
  /** Of the piece, in the whole video. */
  readonly firstSegment: number;
  readonly threads: number;
}

/** Encodes the pictures of a piece for one rung and writes its segments. */
export class RungEncoder implements Disposable {
  readonly #options: RungEncoderOptions;
  readonly #encoder = new CodecContext();
  readonly #packet = new Packet();
  readonly #writer: PieceWriter;
  readonly #avcConfiguration: Buffer;
  #samples: Sample[] = [];
  /** Segments that are encoded to their end and not written yet. */
  #finished: Sample[][] = [];

  constructor(context: TaskContext, options: RungEncoderOptions) {
    this.#options = options;
    this.#writer = new PieceWriter(context, options.rung.name, 'video/mp4');
    this.#packet.alloc();
    this.#open();
    const configuration = this.#encoder.extraData;
    if (configuration === null || configuration[0] !== 1) throw new Error('libx264 gave no avcC');
    this.#avcConfiguration = Buffer.from(configuration);
  }

  #open(): void {
    const { rung, frameRate, colours, timescale, threads } = this.#options;
    const encoder = this.#encoder;
    const codec = Codec.findEncoderByName('libx264' as FFEncoderCodec);
    if (codec === null) throw new Error('This FFmpeg has no libx264');
    encoder.allocContext3(codec);
    encoder.width = rung.width;
    encoder.height = rung.height;
    encoder.pixelFormat = AV_PIX_FMT_YUV420P;
    encoder.sampleAspectRatio = new Rational(1, 1);
    encoder.timeBase = new Rational(1, timescale);
    encoder.framerate = asFraction(frameRate);
    encoder.colorRange = AVCOL_RANGE_MPEG;
    encoder.colorPrimaries = colours.primaries as CodecContext['colorPrimaries'];
    encoder.colorTrc = colours.transfer as CodecContext['colorTrc'];
    encoder.colorSpace = colours.matrix as CodecContext['colorSpace'];
    encoder.rcMaxRate = BigInt(rung.bitRateMax);
    encoder.rcBufferSize = rung.bitRateMax * BUFFER_SECONDS;
    encoder.threadCount = threads;
    encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
    openCodec(encoder, codec, x264Options(rung, frameRate));
  }

  /** The picture's memory may be used again afterwards. One at a boundary begins a segment. */
  async encode(frame: Frame, tick: number, isBoundary: boolean): Promise<void> {
    frame.pts = BigInt(tick);
    frame.pictType = isBoundary ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    check(this.#encoder.sendFrameSync(frame), 'encoding');
    this.#receive();
    if (this.#finished.length > 0) await this.#write();
  }

  /** Resolves when all segments are on disk. */
  async finish(): Promise<MadeVideo> {
    check(this.#encoder.sendFrameSync(null), 'encoding the last pictures');
    this.#receive();
    this.#finished.push(this.#samples);
    this.#samples = [];
    await this.#write();

    const { rung, frameRate, timescale, boundaries } = this.#options;
    if (this.#writer.segmentCount !== boundaries.length - 1)
      throw new TaskFailure('failed', 'The encoder did not begin its segments where it was told to.');
    const init = videoInit({ ...rung, timescale, ...this.#initParts() });
    return {
      name: rung.name,
      format: { codecs: this.#codecs(), width: rung.width, height: rung.height, frameRate },
      piece: await this.#writer.finish(init, timescale),
    };
  }

  #initParts() {
    return { avcConfiguration: this.#avcConfiguration, colours: this.#options.colours };
  }

  #codecs(): string {
    return `avc1.${this.#avcConfiguration.toString('hex', 1, 4).toUpperCase()}`;
  }

  #receive(): void {
    const { boundaries } = this.#options;
    for (;;) {
      const code = this.#encoder.receivePacketSync(this.#packet);
      if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return;
      check(code, 'encoding');
      const { data, isKeyframe } = this.#packet;
      const time = Number(this.#packet.pts);
      const begun = this.#writer.segmentCount + this.#finished.length;
      if (isKeyframe && this.#samples.length > 0 && time === boundaries[begun + 1]) {
        this.#finished.push(this.#samples);
        this.#samples = [];
      }
      if (data !== null) this.#samples.push({ bytes: data, time, isSync: isKeyframe });
      this.#packet.unref();
    }
  }

  async #write(): Promise<void> {
    const { boundaries, firstSegment } = this.#options;
    for (const samples of this.#finished.splice(0)) {
      const index = this.#writer.segmentCount;
      const [start, end] = [boundaries[index]!, boundaries[index + 1]!];
      await this.#writer.add(
        end - start,
        makeSegment({ sequence: firstSegment + index + 1, start, end, samples }),
      );
    }
  }

  [Symbol.dispose](): void {
    this.#packet.free();
    this.#encoder.freeContext();
  }
}

/** Rates of television are thousandths short of whole numbers: 29.97 is 30000/1001. */
function asFraction(rate: number): Rational {
  const whole = Math.round(rate * 1.001);
  if (Math.abs(whole / 1.001 - rate) < 0.0005 * whole && Math.abs(Math.round(rate) - rate) > 0.0005)
    return new Rational(whole * 1000, 1001);
  return new Rational(Math.max(1, Math.round(rate * 1000)), 1000);
}
