import { AV_NOPTS_VALUE } from 'node-av/constants';
import { type Frame, Packet, type Stream } from 'node-av/lib';
import type { OpenSource } from '../libav/open-source.ts';
import { readPictures } from '../libav/source-pictures.ts';
import { StreamDecoder } from '../libav/stream-decoder.ts';

/** Ticks a second in which pictures are looked for. */
const MILLISECONDS = 1000;
/** Keyframes that cannot be decoded before a place is given up. */
const KEYFRAMES_TRIED_MAX = 3;

/** A picture near a wanted time. `frame` is gone when the next one is asked for. */
export interface MomentPicture {
  readonly frame: Frame;
  /** Of the wanted times. */
  readonly index: number;
}

/**
 * The keyframe at or before each time, without decoding anything else; a time whose keyframe is that of the one before is
 * left out. `seconds` ascend.
 */
export async function* keyframesAt(
  source: OpenSource,
  stream: Stream,
  seconds: readonly number[],
): AsyncGenerator<MomentPicture, void> {
  source.select(stream);
  using decoder = new StreamDecoder(stream, 1);
  using packet = new Packet();
  packet.alloc();
  let last = AV_NOPTS_VALUE;
  for (const [index, at] of seconds.entries()) {
    const timestamp = source.timeline.fromTicks(Math.round(at * MILLISECONDS), MILLISECONDS, stream.timeBase);
    await source.seek(stream, timestamp);
    for (let tried = 0; tried < KEYFRAMES_TRIED_MAX && (await source.readPacket(packet)); ) {
      if (!packet.isKeyframe) continue;
      if (packet.pts === last && last !== AV_NOPTS_VALUE) break;
      last = packet.pts;
      const frame = decodeAlone(decoder, packet);
      if (frame !== undefined) {
        yield { frame, index };
        break;
      }
      tried += 1;
    }
  }
}

function decodeAlone(decoder: StreamDecoder, packet: Packet): Frame | undefined {
  decoder.reset();
  for (const frame of decoder.decode(packet)) return frame;
  for (const frame of decoder.decode(null)) return frame;
  return undefined;
}

/** The picture that is shown at each time, decoding from the keyframe before the first one on. `seconds` ascend. */
export async function* picturesAt(
  source: OpenSource,
  stream: Stream,
  seconds: readonly number[],
  threads: number,
): AsyncGenerator<MomentPicture, void> {
  const ticks = seconds.map((at) => Math.round(at * MILLISECONDS));
  const range = {
    source,
    stream,
    timescale: MILLISECONDS,
    from: ticks[0]!,
    until: ticks.at(-1)! + 1,
    threads,
  };
  let index = 0;
  for await (const { frame, tick } of readPictures(range)) {
    // The first one that is shown no earlier; less than a picture's time late.
    if (tick < ticks[index]!) continue;
    yield { frame, index };
    while (index < ticks.length && ticks[index]! <= tick) index += 1;
    if (index === ticks.length) return;
  }
}
