import {
  AV_CODEC_FLAG_QSCALE,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVERROR_EOF,
  type FFEncoderCodec,
} from 'node-av/constants';
import { Codec, CodecContext, type Frame, Packet, Rational } from 'node-av/lib';
import { check } from '../libav/ffmpeg-failure.ts';
import { openCodec } from '../libav/open-codec.ts';

/** FFmpeg counts quality in 118ths of a quantizer. */
const QUANTIZER_UNIT = 118;

/** A JPEG of a full-range picture. */
export function encodeJpeg(frame: Frame, quantizer: number): Buffer {
  using encoder = allocate('mjpeg', frame.width, frame.height);
  encoder.pixelFormat = AV_PIX_FMT_YUVJ420P;
  encoder.colorRange = AVCOL_RANGE_JPEG;
  encoder.setFlags(AV_CODEC_FLAG_QSCALE);
  encoder.globalQuality = quantizer * QUANTIZER_UNIT;
  openCodec(encoder, codecNamed('mjpeg'));
  frame.pts = 0n;
  frame.quality = quantizer * QUANTIZER_UNIT;
  check(encoder.sendFrameSync(frame), 'making a JPEG');
  check(encoder.sendFrameSync(null), 'making a JPEG');
  return receiveAll(encoder, 'making a JPEG');
}

/** Makes an animated WebP of pictures of one size, shown for the same time each, over and over. */
export class WebpAnimation implements Disposable {
  readonly #encoder: CodecContext;
  #count = 0n;

  constructor(width: number, height: number, rate: number, quality: number) {
    this.#encoder = allocate('libwebp_anim', width, height);
    this.#encoder.pixelFormat = AV_PIX_FMT_YUV420P;
    this.#encoder.timeBase = new Rational(1, rate);
    this.#encoder.framerate = new Rational(rate, 1);
    openCodec(this.#encoder, codecNamed('libwebp_anim'), { quality: String(quality) });
  }

  get pictureCount(): number {
    return Number(this.#count);
  }

  add(frame: Frame): void {
    frame.pts = this.#count;
    frame.duration = 1n;
    this.#count += 1n;
    check(this.#encoder.sendFrameSync(frame), 'making a WebP');
  }

  finish(): Buffer {
    check(this.#encoder.sendFrameSync(null), 'making a WebP');
    return receiveAll(this.#encoder, 'making a WebP');
  }

  [Symbol.dispose](): void {
    this.#encoder.freeContext();
  }
}

function allocate(name: string, width: number, height: number): CodecContext {
  const encoder = new CodecContext();
  encoder.allocContext3(codecNamed(name));
  encoder.width = width;
  encoder.height = height;
  encoder.timeBase = new Rational(1, 1);
  encoder.threadCount = 1;
  return encoder;
}

function codecNamed(name: string): Codec {
  const codec = Codec.findEncoderByName(name as FFEncoderCodec);
  if (codec === null) throw new Error(`This FFmpeg has no encoder ${name}`);
  return codec;
}

function receiveAll(encoder: CodecContext, doing: string): Buffer {
  using packet = new Packet();
  packet.alloc();
  const parts: Buffer[] = [];
  for (;;) {
    const code = encoder.receivePacketSync(packet);
    if (code === AVERROR_EOF) return Buffer.concat(parts);
    check(code, doing);
    if (packet.data !== null) parts.push(packet.data);
    packet.unref();
  }
}
