import { AV_NOPTS_VALUE, AV_PKT_FLAG_DISCARD } from 'node-av/constants';
import type { Packet, Stream } from 'node-av/lib';
import type { MadeVideo, Probe } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { initSegment } from '../cmaf/init-segment.ts';
import { PieceWriter } from '../cmaf/piece-writer.ts';
import { makeSegment, type Sample } from '../cmaf/segment.ts';
import { SEGMENT_SECONDS, SEGMENT_SECONDS_MAX, SEGMENTS_MAX } from '../inspect/limits.ts';
import { avcCodecs } from '../inspect/playable.ts';
import type { OpenSource } from '../libav/open-source.ts';
import { type H264Stream, openH264 } from './h264-stream.ts';
import { SEGMENT_BYTES_MAX } from './limits.ts';

/** From 10,000 ticks a second on a stream's own time is fine enough for decoding times between those of pictures. */
const OWN_TIMESCALE_MIN = 10_000;
const OWN_TIMESCALE_MAX = 10_000_000;
const TIMESCALE = 90_000;

/** Pictures from one keyframe to the next. */
interface Group {
  readonly samples: Sample[];
  bytes: number;
  earliest: number;
  latest: number;
  /** When the last one is over. */
  end: number;
}

/**
 * Puts the pictures of a stream into segments, whole groups at a time, as they come. A group waits until the next one
 * begins: only then is it known that no picture of it is shown before its keyframe.
 */
export class PictureCopier {
  readonly timescale: number;
  /** Where segments begin that were written, and the last one ends. */
  readonly boundaries: number[] = [0];
  readonly #options: { readonly stream: Stream; readonly source: OpenSource; readonly probe: Probe };
  readonly #h264: H264Stream;
  readonly #writer: PieceWriter;
  #segment: Group | undefined;
  #group: Group | undefined;
  /** When the group's first picture is shown by the container. */
  #keyframe = 0;
  #count = 0;

  constructor(
    options: { readonly stream: Stream; readonly source: OpenSource; readonly probe: Probe },
    context: TaskContext,
  ) {
    this.#options = options;
    this.#h264 = openH264(options.stream, options.probe.video?.pixelAspect ?? 1);
    this.#writer = new PieceWriter(context, 'video', 'video/mp4');
    const { num, den } = options.stream.timeBase;
    this.timescale = num === 1 && den >= OWN_TIMESCALE_MIN && den <= OWN_TIMESCALE_MAX ? den : TIMESCALE;
  }

  /** Rejects with a TaskFailure when keyframes are too far apart, or pictures do not say when they are shown. */
  async add(packet: Packet): Promise<void> {
    const { data, isKeyframe } = packet;
    if (data === null || data.length === 0 || (this.#group === undefined && !isKeyframe)) return;
    if ((packet.flags & AV_PKT_FLAG_DISCARD) !== 0) {
      throw new TaskFailure(
        'failed',
        'Some pictures of this file are not to be shown, though others need them.',
      );
    }
    if (packet.pts === AV_NOPTS_VALUE)
      throw new TaskFailure('failed', 'Pictures of this file do not say when they are shown.');
    const { source, stream } = this.#options;
    const { timeBase: base } = stream;
    const time = source.timeline.toTicks({ ticks: packet.pts, base }, this.timescale);
    const duration =
      packet.duration > 0n ? (Number(packet.duration) * this.timescale * base.num) / base.den : 0;
    if (isKeyframe) await this.#takeGroup();
    this.#append({ bytes: this.#h264.toSample(data), time, isSync: isKeyframe }, Math.round(duration));
  }

  /** Resolves when all pictures are on disk. Rejects with a TaskFailure when there were none. */
  async finish(): Promise<MadeVideo> {
    await this.#takeGroup();
    if (this.#segment === undefined)
      throw new TaskFailure('failed', 'There are no pictures that could be copied.');
    await this.#write(this.#segment, this.#segment.end);
    const { configuration, sampleEntry } = this.#h264;
    const { sequence } = configuration;
    const width = Math.max(1, Math.round(sequence.width * (this.#options.probe.video?.pixelAspect ?? 1)));
    const { height } = sequence;
    const { timescale } = this;
    const init = initSegment({ kind: 'video', timescale, entry: sampleEntry, width, height });
    const seconds = this.boundaries.at(-1)! / timescale;
    return {
      name: `${Math.min(width, height)}p`,
      format: {
        codecs: avcCodecs('avc1', configuration.codecsSuffix),
        ...{ width, height, frameRate: this.#count / seconds },
      },
      piece: await this.#writer.finish(init, timescale),
    };
  }

  #append(sample: Sample, duration: number): void {
    const group = this.#group;
    const isFirst = this.#segment === undefined;
    const end = sample.time + Math.max(1, duration);
    if (group === undefined) {
      this.#keyframe = sample.time;
      // What a recording has that begins between keyframes cannot be shown: its first picture is, for longer.
      const time = isFirst ? 0 : sample.time;
      const samples = [{ ...sample, time }];
      this.#group = { samples, bytes: sample.bytes.length, earliest: time, latest: sample.time, end };
      return;
    }
    if (isFirst && sample.time <= this.#keyframe) return;
    group.samples.push(sample);
    group.bytes += sample.bytes.length;
    group.earliest = Math.min(group.earliest, sample.time);
    group.latest = Math.max(group.latest, sample.time);
    group.end = Math.max(group.end, end);
    const isLong = group.latest - this.boundaries.at(-1)! > 2 * SEGMENT_SECONDS_MAX * this.timescale;
    if (isLong || group.bytes + (this.#segment?.bytes ?? 0) > SEGMENT_BYTES_MAX) throw tooRare();
  }

  /** The group that is complete becomes part of a segment, and the one before it is written if it is long enough. */
  async #takeGroup(): Promise<void> {
    const group = this.#group;
    this.#group = undefined;
    if (group === undefined) return;
    const segment = this.#segment;
    const begins = group.samples[0]!.time;
    const isClosed = segment !== undefined && group.earliest === begins && segment.latest < begins;
    const isLongEnough = begins - this.boundaries.at(-1)! >= SEGMENT_SECONDS * this.timescale;
    if (segment === undefined) this.#segment = group;
    else if (isClosed && isLongEnough) {
      await this.#write(segment, begins);
      this.#segment = group;
    } else this.#segment = joined(segment, group);
  }

  async #write(segment: Group, end: number): Promise<void> {
    const start = this.boundaries.at(-1)!;
    if (end - start > SEGMENT_SECONDS_MAX * this.timescale || this.boundaries.length === SEGMENTS_MAX)
      throw tooRare();
    if (segment.earliest < start || segment.latest >= end) {
      throw new TaskFailure('failed', 'The times of pictures in this file go back.');
    }
    const samples = segment.samples;
    this.#count += samples.length;
    const sequence = this.boundaries.length;
    await this.#writer.add(end - start, makeSegment({ sequence, start, end, samples }));
    this.boundaries.push(end);
  }
}

function joined(segment: Group, group: Group): Group {
  return {
    samples: [...segment.samples, ...group.samples],
    bytes: segment.bytes + group.bytes,
    earliest: Math.min(segment.earliest, group.earliest),
    latest: Math.max(segment.latest, group.latest),
    end: Math.max(segment.end, group.end),
  };
}

function tooRare(): TaskFailure {
  return new TaskFailure('failed', 'Keyframes of this file are too far apart for it to be played as it is.');
}
