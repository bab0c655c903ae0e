import { AV_FRAME_FLAG_INTERLACED, AV_NOPTS_VALUE } from 'node-av/constants';
import { type Frame, Packet, type Stream } from 'node-av/lib';
import type { OpenSource } from './open-source.ts';
import { PictureFilter } from './picture-filter.ts';
import { StreamDecoder } from './stream-decoder.ts';

/**
 * How far before the wanted time a keyframe is looked for, if the container's index leads past it or there is none; then
 * the file is read from its beginning.
 */
const STEPS_BACK_SECONDS = [0, 2, 10, 30, 120];
/** Packets are read this far beyond the end before pictures that do not come are given up. */
const BEYOND_END_SECONDS = 10;

/** A picture of the source, when it is shown. `frame` is gone when the next one is asked for. */
export interface TimedPicture {
  readonly frame: Frame;
  readonly tick: number;
}

export interface PictureRange {
  readonly source: OpenSource;
  readonly stream: Stream;
  readonly timescale: number;
  /** The pictures from `from` until `until`, and one or more before and after, if there are. */
  readonly from: number;
  readonly until: number;
  readonly threads: number;
}

/** Decodes the pictures of a range, in the order in which they are shown, beginning at a keyframe at or before it. */
export async function* readPictures(range: PictureRange): AsyncGenerator<TimedPicture, void> {
  const { source, stream } = range;
  using packet = new Packet();
  packet.alloc();
  source.select(stream);
  let isAtKeyframe = false;
  for (const back of range.from === 0 ? [] : STEPS_BACK_SECONDS) {
    if (range.from <= back * range.timescale) break;
    isAtKeyframe = await goToKeyframe(range, packet, Math.round(back * range.timescale));
    if (isAtKeyframe) break;
  }
  if (range.from > 0 && !isAtKeyframe) await source.seek(stream, timestampOf(range, 0));

  using decoder = new StreamDecoder(stream, range.threads);
  using deinterlacer = new PictureFilter('bwdif=mode=send_frame:deint=interlaced,settb=1/1');
  let isInterlaced: boolean | undefined;
  let last = Number.NEGATIVE_INFINITY;
  let hasPacket = isAtKeyframe || (await source.readPacket(packet));
  for (;;) {
    const isBeyond = hasPacket && isFarBeyond(range, packet);
    for (const frame of decoder.decode(hasPacket && !isBeyond ? packet : null)) {
      const tick = tickOf(range, frame) ?? last + 1;
      // Two pictures at one time, or a clock that was set back: the first one stands.
      if (tick <= last) continue;
      last = tick;
      isInterlaced ??= frame.hasFlags(AV_FRAME_FLAG_INTERLACED);
      if (!isInterlaced) {
        yield { frame, tick };
        continue;
      }
      frame.pts = BigInt(tick);
      for (const whole of deinterlacer.filter(frame)) yield { frame: whole, tick: Number(whole.pts) };
    }
    if (!hasPacket || isBeyond) break;
    hasPacket = await source.readPacket(packet);
  }
  if (isInterlaced) for (const frame of deinterlacer.filter(null)) yield { frame, tick: Number(frame.pts) };
}

/** Whether the next packet, then in `packet`, is a keyframe that is not shown after the range's beginning. */
async function goToKeyframe(range: PictureRange, packet: Packet, backTicks: number): Promise<boolean> {
  const { source, stream } = range;
  await source.seek(stream, timestampOf(range, range.from - backTicks));
  while (await source.readPacket(packet)) {
    if (!packet.isKeyframe) continue;
    const time = packet.pts === AV_NOPTS_VALUE ? packet.dts : packet.pts;
    return time !== AV_NOPTS_VALUE && toTicks(range, time) <= range.from;
  }
  return false;
}

function isFarBeyond(range: PictureRange, packet: Packet): boolean {
  const time = packet.dts === AV_NOPTS_VALUE ? packet.pts : packet.dts;
  return time !== AV_NOPTS_VALUE && toTicks(range, time) > range.until + BEYOND_END_SECONDS * range.timescale;
}

function tickOf(range: PictureRange, frame: Frame): number | undefined {
  const time = frame.bestEffortTimestamp;
  return time === AV_NOPTS_VALUE ? undefined : toTicks(range, time);
}

function toTicks({ source, stream, timescale }: PictureRange, time: bigint): number {
  return source.timeline.toTicks({ ticks: time, base: stream.timeBase }, timescale);
}

function timestampOf({ source, stream, timescale }: PictureRange, tick: number): bigint {
  return source.timeline.fromTicks(tick, timescale, stream.timeBase);
}
