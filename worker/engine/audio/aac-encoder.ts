import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_SAMPLE_FMT_FLTP,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type FFEncoderCodec,
} from 'node-av/constants';
import { avChannelLayoutDefault, Codec, CodecContext, Frame, Packet, Rational } from 'node-av/lib';
import { check } from '../libav/ffmpeg-failure.ts';
import { openCodec } from '../libav/open-codec.ts';
import { FRAME_SAMPLES } from './limits.ts';

/**
 * AAC-LC. By FFmpeg's own encoder: libfdk_aac, which the build has too, sounds better at low rates, but its licence does
 * not go together with the GPL of the rest; at 64 kbit/s a channel the difference is small.
 */
export class AacEncoder implements Disposable {
  readonly #encoder = new CodecContext();
  readonly #packet = new Packet();
  readonly #channels: number;
  readonly #sampleRate: number;
  #framesSent = 0;

  constructor(sampleRate: number, channels: number, bitRate: number) {
    this.#channels = channels;
    this.#sampleRate = sampleRate;
    const codec = Codec.findEncoderByName('aac' as FFEncoderCodec);
    if (codec === null) throw new Error('This FFmpeg has no AAC encoder');
    const encoder = this.#encoder;
    encoder.allocContext3(codec);
    encoder.sampleRate = sampleRate;
    encoder.sampleFormat = AV_SAMPLE_FMT_FLTP;
    encoder.channelLayout = avChannelLayoutDefault(channels);
    encoder.timeBase = new Rational(1, sampleRate);
    encoder.bitRate = BigInt(bitRate);
    encoder.threadCount = 1;
    encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
    openCodec(encoder, codec, { profile: 'aac_low' });
    this.#packet.alloc();
  }

  /** `AudioSpecificConfig`. */
  get configuration(): Buffer {
    const { extraData } = this.#encoder;
    if (extraData === null) throw new Error('The AAC encoder did not say how it codes');
    return Buffer.from(extraData);
  }

  /** Frames of 1024 samples that were given so far. */
  get framesSent(): number {
    return this.#framesSent;
  }

  /**
   * Encoded frames, each of 1024 samples, the first one at time 0. What an encoder puts before it, to prime decoders, is
   * left out: so nobody has to be told to skip it, and the first fiftieth of a second fades in.
   */
  *encode(frame: Frame | null): Generator<Buffer, void> {
    if (frame !== null) {
      frame.pts = BigInt(this.#framesSent * FRAME_SAMPLES);
      this.#framesSent += 1;
    }
    check(this.#encoder.sendFrameSync(frame), 'encoding sound');
    for (;;) {
      const code = this.#encoder.receivePacketSync(this.#packet);
      if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return;
      check(code, 'encoding sound');
      const { data, pts } = this.#packet;
      if (data !== null && pts >= 0n) yield data;
      this.#packet.unref();
    }
  }

  /** Encodes a frame in which nothing is heard. */
  *encodeSilence(): Generator<Buffer, void> {
    using frame = Frame.fromAudioBuffer(Buffer.alloc(FRAME_SAMPLES * this.#channels * 4), {
      nbSamples: FRAME_SAMPLES,
      format: AV_SAMPLE_FMT_FLTP,
      sampleRate: this.#sampleRate,
      channelLayout: avChannelLayoutDefault(this.#channels),
    });
    yield* this.encode(frame);
  }

  [Symbol.dispose](): void {
    this.#packet.free();
    this.#encoder.freeContext();
  }
}
