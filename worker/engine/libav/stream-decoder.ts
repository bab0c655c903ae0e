import { AVERROR_EAGAIN, FF_THREAD_FRAME, FF_THREAD_SLICE } from 'node-av/constants';
import { Codec, CodecContext, Frame, type Packet, type Stream } from 'node-av/lib';
import { TaskFailure } from '../../task-context.ts';
import { PIXELS_MAX } from './limits.ts';
import { openCodec } from './open-codec.ts';

/** Decodes the packets of one stream, as far as they can be: what is damaged is concealed or left out. */
export class StreamDecoder implements Disposable {
  readonly #context = new CodecContext();
  readonly #frame = new Frame();
  #refusedPackets = 0;

  /** `threads` frames are decoded at once. Throws a `TaskFailure` `unplayable` when nothing here decodes the stream. */
  constructor(stream: Stream, threads: number) {
    const { codecpar } = stream;
    const codec = Codec.findDecoder(codecpar.codecId);
    if (codec === null)
      throw new TaskFailure('unplayable', 'The file is coded in a way that is not known here.');
    this.#context.allocContext3(codec);
    this.#context.parametersToContext(codecpar);
    this.#context.pktTimebase = stream.timeBase;
    this.#context.threadCount = threads;
    this.#context.threadType = (FF_THREAD_FRAME | FF_THREAD_SLICE) as CodecContext['threadType'];
    openCodec(this.#context, codec, { max_pixels: String(PIXELS_MAX) });
    this.#frame.alloc();
  }

  /** Packets that could not be decoded so far. */
  get refusedPackets(): number {
    return this.#refusedPackets;
  }

  /** Leaves keyframes' dependants out: what comes then is keyframes only. */
  keyframesOnly(): void {
    this.#context.setOption('skip_frame', 'nokey');
  }

  /**
   * Frames that are complete with this packet; null: all that are left. They share one memory: a frame is gone when the
   * next one is asked for.
   */
  *decode(packet: Packet | null): Generator<Frame, void> {
    let isTaken = false;
    while (!isTaken) {
      const sent = this.#context.sendPacketSync(packet);
      // When it is full, a frame has to be taken first; anything else is a packet that is beyond help.
      isTaken = sent !== AVERROR_EAGAIN;
      if (sent < 0 && isTaken && packet !== null) this.#refusedPackets += 1;
      while (this.#context.receiveFrameSync(this.#frame) >= 0) yield this.#frame;
    }
  }

  /** Forgets what came before; packets go on elsewhere in the file. */
  reset(): void {
    this.#context.flushBuffers();
  }

  [Symbol.dispose](): void {
    this.#frame.free();
    this.#context.freeContext();
  }
}
