import { AV_NOPTS_VALUE, AV_PKT_FLAG_DISCARD } from 'node-av/constants';
import type { Packet, Stream } from 'node-av/lib';
import type { MadeAudio } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { writeFragmentHeader } from '../cmaf/fragment.ts';
import { initSegment } from '../cmaf/init-segment.ts';
import { PieceWriter } from '../cmaf/piece-writer.ts';
import { SEGMENTS_MAX, SOUND_SEGMENT_SECONDS } from '../inspect/limits.ts';
import { aacCodecs } from '../inspect/playable.ts';
import type { OpenSource } from '../libav/open-source.ts';
import { type AacStream, openAac } from './aac-stream.ts';
import { JITTER_SHARE, SOUND_WAIT_SECONDS } from './limits.ts';

interface Frame {
  readonly bytes: Uint8Array;
  readonly time: number;
}

/**
 * Puts the sound of a stream into segments that are cut where the pictures are, at the nearest frame, or every few seconds
 * where there is no boundary to wait for.
 */
export class SoundCopier {
  readonly #track: number;
  readonly #stream: Stream;
  readonly #source: OpenSource;
  readonly #writer: PieceWriter;
  readonly #waitSeconds: number;
  #aac: AacStream | undefined;
  #frames: Frame[] = [];
  /** When the next frame is expected. */
  #next: number | undefined;
  /** Where the segment begins that the frames are for. */
  #start = 0;
  /** Boundaries of pictures that sound has not come to yet: seconds. */
  #boundaries: number[] = [];
  #count = 0;

  /** `hasPictures`: boundaries are going to be told. */
  constructor(track: number, source: OpenSource, hasPictures: boolean, context: TaskContext) {
    this.#track = track;
    this.#source = source;
    this.#stream = source.audio[track]!;
    this.#waitSeconds = hasPictures ? SOUND_WAIT_SECONDS : SOUND_SEGMENT_SECONDS;
    this.#writer = new PieceWriter(context, `audio-${track}`, 'audio/mp4');
  }

  /** Pictures are cut here. */
  async cutAt(seconds: number): Promise<void> {
    this.#boundaries.push(seconds);
    await this.#cut();
  }

  /** Rejects with a TaskFailure when the sound does not say how it is coded. */
  async add(packet: Packet): Promise<void> {
    const { data, pts, flags } = packet;
    if (data === null || data.length === 0 || (flags & AV_PKT_FLAG_DISCARD) !== 0) return;
    this.#aac ??= openAac(this.#stream, data);
    const { sampleRate, frameTicks } = this.#aac;
    const bytes = this.#aac.toSample(data);
    if (bytes === null) return;
    const { timeBase: base } = this.#stream;
    const told =
      pts === AV_NOPTS_VALUE ? this.#next : this.#source.timeline.toTicks({ ticks: pts, base }, sampleRate);
    if (told === undefined) return;
    const isExpected = this.#next !== undefined && Math.abs(told - this.#next) <= frameTicks * JITTER_SHARE;
    const time = isExpected ? this.#next! : told;
    const last = this.#frames.at(-1)?.time ?? this.#start - 1;
    const end = time + frameTicks;
    // Heard before time 0, or a second time after the container's clock went back.
    if (end <= 0 || time <= last - frameTicks * JITTER_SHARE) return;
    this.#frames.push({ bytes, time: Math.max(0, last + 1, time) });
    this.#next = end;
    await this.#cut();
  }

  /** Resolves when all sound is on disk. Rejects with a TaskFailure when there was none. */
  async finish(): Promise<MadeAudio> {
    const aac = this.#aac;
    if (aac === undefined || this.#next === undefined) {
      throw new TaskFailure('failed', `There is no sound in track ${this.#track + 1}.`);
    }
    if (this.#frames.length > 0) await this.#write(this.#frames.length, this.#next);
    const timescale = aac.sampleRate;
    const init = initSegment({ kind: 'audio', timescale, entry: aac.sampleEntry });
    const { channels, sampleRate } = aac;
    return {
      name: `audio-${this.#track}`,
      track: this.#track,
      format: { codecs: aacCodecs(aac.objectType), channels, sampleRate },
      piece: await this.#writer.finish(init, timescale),
    };
  }

  async #cut(): Promise<void> {
    if (this.#aac === undefined || this.#next === undefined) return;
    const { sampleRate } = this.#aac;
    for (;;) {
      const isWaitedFor = this.#boundaries.length > 0;
      const isOverdue = !isWaitedFor && this.#next - this.#start > this.#waitSeconds * sampleRate;
      if (!isWaitedFor && !isOverdue) return;
      const at = isWaitedFor
        ? this.#boundaries[0]! * sampleRate
        : this.#start + SOUND_SEGMENT_SECONDS * sampleRate;
      // Until a frame has begun after it, nobody knows which one is nearest.
      const after = this.#frames.findIndex(({ time }) => time >= at);
      if (after === -1) return;
      if (isWaitedFor) this.#boundaries.shift();
      const before = this.#frames[after - 1];
      const isBeforeNearer = before !== undefined && at - before.time < this.#frames[after]!.time - at;
      const first = isBeforeNearer ? after - 1 : after;
      if (first > 0) await this.#write(first, this.#frames[first]!.time);
      else if (isOverdue) return;
    }
  }

  /** Writes the first `count` frames as a segment that lasts until `end`. */
  async #write(count: number, end: number): Promise<void> {
    const frames = this.#frames.slice(0, count);
    this.#frames = this.#frames.slice(count);
    const times = [...frames.map(({ time }) => time), end];
    this.#count += 1;
    if (this.#count > SEGMENTS_MAX) throw new TaskFailure('failed', 'This file has too much sound.');
    const header = writeFragmentHeader(this.#count, {
      decodeTime: times[0]!,
      durations: frames.map((_, index) => times[index + 1]! - times[index]!),
      sizes: frames.map(({ bytes }) => bytes.length),
      compositionOffsets: null,
      sync: null,
    });
    await this.#writer.add(end - this.#start, [header, ...frames.map(({ bytes }) => bytes)]);
    this.#start = end;
  }
}
