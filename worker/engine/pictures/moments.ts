import { AV_NOPTS_VALUE } from 'node-av/constants';
import { type Frame, Packet, type Stream } from 'node-av/lib';
import { READ_BLOCK_BYTES } from '../libav/limits.ts';
import type { OpenSource } from '../libav/open-source.ts';
import { readPictures } from '../libav/source-pictures.ts';
import { StreamDecoder } from '../libav/stream-decoder.ts';

/** Ticks a second in which pictures are looked for. */
const MILLISECONDS = 1000;
/** Bytes from one wanted time to the next up to which all is read that lies between. */
const DENSE_BYTES_MAX = 2 * READ_BLOCK_BYTES;
/** Keyframes that cannot be decoded before the rest is given up. */
const UNDECODABLE_KEYFRAMES_MAX = 50;

/** A picture near a wanted time. `frame` is gone when the next one is asked for. */
export interface MomentPicture {
  readonly frame: Frame;
  /** Of the wanted times. */
  readonly index: number;
}

/**
 * A keyframe near each time, without decoding anything else; a time that has none of its own is left out. `seconds` ascend,
 * evenly.
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
  const ticks = seconds.map((at) => Math.round(at * MILLISECONDS));
  const isDense = source.sizeBytes / ticks.length < DENSE_BYTES_MAX;
  const keyframes = isDense
    ? readKeyframes(source, stream, ticks, packet)
    : seekKeyframes(source, stream, ticks, packet);
  let failures = 0;
  for await (const index of keyframes) {
    const frame = decodeAlone(decoder, packet);
    if (frame !== undefined) yield { frame, index };
    else failures += 1;
    if (failures > UNDECODABLE_KEYFRAMES_MAX) return;
  }
}

/** Goes to each time; then in `packet` is the keyframe there. */
async function* seekKeyframes(
  source: OpenSource,
  stream: Stream,
  ticks: readonly number[],
  packet: Packet,
): AsyncGenerator<number, void> {
  let last = AV_NOPTS_VALUE;
  for (const [index, tick] of ticks.entries()) {
    await source.seek(stream, source.timeline.fromTicks(tick, MILLISECONDS, stream.timeBase));
    if (!(await readKeyframe(source, packet))) continue;
    if (last === AV_NOPTS_VALUE || packet.pts !== last) yield index;
    last = packet.pts;
  }
}

/** The same by reading all there is, which is quicker where little lies between two times. */
async function* readKeyframes(
  source: OpenSource,
  stream: Stream,
  ticks: readonly number[],
  packet: Packet,
): AsyncGenerator<number, void> {
  await source.seek(stream, source.timeline.fromTicks(ticks[0]!, MILLISECONDS, stream.timeBase));
  const slack = ((ticks[1] ?? ticks[0]!) - ticks[0]!) / 2;
  let next = 0;
  while (next < ticks.length && (await readKeyframe(source, packet))) {
    const at = source.timeline.toTicks({ ticks: packet.pts, base: stream.timeBase }, MILLISECONDS) + slack;
    if (next > 0 && at < ticks[next]!) continue;
    let index = next;
    while (index + 1 < ticks.length && ticks[index + 1]! <= at) index += 1;
    yield index;
    next = index + 1;
  }
}

async function readKeyframe(source: OpenSource, packet: Packet): Promise<boolean> {
  while (await source.readPacket(packet)) if (packet.isKeyframe) return true;
  return false;
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
