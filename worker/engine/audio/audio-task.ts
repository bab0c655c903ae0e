import { AV_NOPTS_VALUE } from 'node-av/constants';
import { type Frame, Packet, type Stream } from 'node-av/lib';
import type { ResultOf, TaskOf } from '../../../lib/worker-api/tasks.ts';
import { type TaskContext, TaskFailure } from '../../task-context.ts';
import { audioInit } from '../cmaf/init-segment.ts';
import { PieceWriter } from '../cmaf/piece-writer.ts';
import { makeAudioSegment } from '../cmaf/segment.ts';
import { type OpenSource, openSource } from '../libav/open-source.ts';
import { StreamDecoder } from '../libav/stream-decoder.ts';
import { AacEncoder } from './aac-encoder.ts';
import { Cuts } from './cuts.ts';
import { FRAME_SAMPLES } from './limits.ts';
import { SoundFilter } from './sound-filter.ts';

/** Encodes one track of sound from time 0 to its end, and at least to the end of the pictures. */
export async function encodeAudio(task: TaskOf<'audio'>, context: TaskContext): Promise<ResultOf<'audio'>> {
  await using source = await openSource(context.source, context.signal);
  const stream = source.audio[task.track];
  if (stream === undefined)
    throw new TaskFailure('failed', `The file has no track of sound with the number ${task.track}.`);
  const name = `audio-${task.track}`;
  const sampleRate = stream.codecpar.sampleRate % 11_025 === 0 ? 44_100 : 48_000;
  const writer = new PieceWriter(context, name, 'audio/mp4');
  using encoder = new AacEncoder(sampleRate, task.channels, task.bitRate);
  const segments = new AudioSegments(writer, new Cuts(task.plan, sampleRate));

  using filter = new SoundFilter(sampleRate, task.channels);
  for await (const frame of soundOf(source, stream, context, task.probe.durationSeconds))
    for (const part of filter.filter(frame)) await segments.add(encoder.encode(part));
  for (const part of filter.filter(null)) await segments.add(encoder.encode(part));
  if (encoder.framesSent === 0)
    throw new TaskFailure('failed', `Nothing of the track of sound ${task.track} could be decoded.`);
  for (let frames = encoder.framesSent; frames < segments.framesMin; frames += 1) {
    context.signal.throwIfAborted();
    await segments.add(encoder.encodeSilence());
  }
  await segments.add(encoder.encode(null));
  await segments.end();

  const init = audioInit({ sampleRate, channels: task.channels, aacConfiguration: encoder.configuration });
  const format = { codecs: 'mp4a.40.2', channels: task.channels, sampleRate };
  const piece = await writer.finish(init, sampleRate);
  return { kind: 'audio', audio: { name, track: task.track, format, piece } };
}

/** Decoded sound; `pts` counts its samples since time 0. */
async function* soundOf(
  source: OpenSource,
  stream: Stream,
  context: TaskContext,
  durationSeconds: number,
): AsyncGenerator<Frame, void> {
  source.select(stream);
  using decoder = new StreamDecoder(stream, 1);
  using packet = new Packet();
  packet.alloc();
  let next = 0n;
  let hasPacket = true;
  while (hasPacket) {
    context.signal.throwIfAborted();
    hasPacket = await source.readPacket(packet);
    for (const frame of decoder.decode(hasPacket ? packet : null)) {
      const time = frame.bestEffortTimestamp;
      const moment = { ticks: time, base: stream.timeBase };
      frame.pts = time === AV_NOPTS_VALUE ? next : BigInt(source.timeline.toTicks(moment, frame.sampleRate));
      next = frame.pts + BigInt(frame.nbSamples);
      yield frame;
    }
    if (durationSeconds > 0) {
      const seconds = Number(next) / stream.codecpar.sampleRate;
      context.progress(Math.min(1, Math.max(0, seconds / durationSeconds)));
    }
  }
}

/** Collects frames to segments. */
class AudioSegments {
  readonly #writer: PieceWriter;
  readonly #cuts: Cuts;
  #frames: Buffer[] = [];
  #count = 0;

  constructor(writer: PieceWriter, cuts: Cuts) {
    this.#writer = writer;
    this.#cuts = cuts;
  }

  get framesMin(): number {
    return this.#cuts.framesMin;
  }

  async add(frames: Iterable<Buffer>): Promise<void> {
    for (const frame of frames) {
      this.#frames.push(frame);
      this.#count += 1;
      if (this.#cuts.isCut(this.#count)) await this.end();
    }
  }

  async end(): Promise<void> {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    const start = (this.#count - frames.length) * FRAME_SAMPLES;
    const bytes = makeAudioSegment(this.#writer.segmentCount + 1, start, FRAME_SAMPLES, frames);
    await this.#writer.add(frames.length * FRAME_SAMPLES, bytes);
  }
}
