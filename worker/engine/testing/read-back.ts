import { AV_NOPTS_VALUE } from 'node-av/constants';
import { Packet } from 'node-av/lib';
import type { Probe, SegmentPlan, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import { openSource } from '../libav/open-source.ts';
import { readPictures } from '../libav/source-pictures.ts';
import { memorySource } from './memory-context.ts';

/** A packet's times in ticks of the timescale that was asked for. */
export interface ReadPacket {
  readonly time: number;
  readonly isKeyframe: boolean;
}

const signal = new AbortController().signal;

/** What a file's pictures are and when they are shown, in order. */
export async function picturesOf(
  bytes: Uint8Array,
  timescale?: number,
): Promise<{
  readonly timescale: number;
  readonly packets: readonly ReadPacket[];
  readonly track: VideoTrack;
}> {
  await using source = await openSource(memorySource(bytes), signal);
  const video = source.video!;
  const ticks = timescale ?? video.timeBase.den;
  const packets: ReadPacket[] = [];
  using packet = new Packet();
  packet.alloc();
  source.select(video);
  while (await source.readPacket(packet)) {
    const moment = { ticks: packet.pts === AV_NOPTS_VALUE ? packet.dts : packet.pts, base: video.timeBase };
    packets.push({ time: source.timeline.toTicks(moment, ticks), isKeyframe: packet.isKeyframe });
  }
  packets.sort((a, b) => a.time - b.time);
  const { width, height } = video.codecpar;
  const { num, den } = video.avgFrameRate;
  const track: VideoTrack = {
    codec: 'any',
    profile: null,
    width,
    height,
    rotation: 0,
    pixelAspect: 1,
    frameRate: packets.length > 1 && den > 0 ? num / den : null,
    isVariableFrameRate: false,
    bitDepth: null,
    range: 'sdr',
    bitRate: null,
  };
  return { timescale: ticks, packets, track };
}

export interface Inspected {
  readonly probe: Probe;
  readonly plan: SegmentPlan;
  /** When the source's pictures are shown. */
  readonly times: readonly number[];
}

/** A plan with a segment from each keyframe to the next, and the probe that goes with it. */
export async function inspectClip(bytes: Uint8Array, track: Partial<VideoTrack> = {}): Promise<Inspected> {
  const read = await picturesOf(bytes);
  const times = read.packets.map(({ time }) => time);
  const last = times.at(-1)!;
  const end = last + (times.length > 1 ? last - times.at(-2)! : Math.ceil(read.timescale / 25));
  const begins = read.packets.filter(({ isKeyframe }) => isKeyframe).map(({ time }) => time);
  return {
    probe: {
      container: 'any',
      durationSeconds: end / read.timescale,
      sizeBytes: bytes.length,
      bitRate: null,
      video: { ...read.track, ...track },
      audio: [],
    },
    plan: { timescale: read.timescale, boundaries: [...new Set([0, ...begins]), end] },
    times,
  };
}

/** Brightness of pictures, decoded: the mean of a share of the picture, given by its corners from 0 to 1. */
export async function brightnessOf(
  bytes: Uint8Array,
  area: readonly [left: number, top: number, right: number, bottom: number] = [0, 0, 1, 1],
): Promise<{ readonly width: number; readonly height: number; readonly means: readonly number[] }> {
  await using source = await openSource(memorySource(bytes), signal);
  const range = {
    source,
    stream: source.video!,
    timescale: 1000,
    from: 0,
    until: Number.MAX_SAFE_INTEGER,
    threads: 1,
  };
  const means: number[] = [];
  let [width, height] = [0, 0];
  for await (const { frame } of readPictures(range)) {
    ({ width, height } = frame);
    means.push(meanOf(frame.toBuffer(), width, height, area));
  }
  return { width, height, means };
}

function meanOf(
  luma: Buffer,
  width: number,
  height: number,
  [left, top, right, bottom]: readonly [number, number, number, number],
): number {
  let [sum, count] = [0, 0];
  for (let y = Math.floor(top * height); y < bottom * height; y += 1) {
    for (let x = Math.floor(left * width); x < right * width; x += 1) {
      sum += luma[y * width + x]!;
      count += 1;
    }
  }
  return sum / count;
}
