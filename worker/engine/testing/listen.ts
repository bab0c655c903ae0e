import { Packet } from 'node-av/lib';
import { openSource } from '../libav/open-source.ts';
import { StreamDecoder } from '../libav/stream-decoder.ts';
import { memorySource } from './memory-context.ts';

export interface Heard {
  readonly sampleRate: number;
  readonly channels: number;
  /** The first channel, from time 0 on. */
  readonly samples: Float32Array;
}

/** Decodes a file of AAC sound. */
export async function listen(bytes: Uint8Array): Promise<Heard> {
  await using source = await openSource(memorySource(bytes), new AbortController().signal);
  const stream = source.audio[0]!;
  using decoder = new StreamDecoder(stream, 1);
  using packet = new Packet();
  packet.alloc();
  const parts: Float32Array[] = [];
  for (let hasPacket = true; hasPacket; ) {
    hasPacket = await source.readPacket(packet);
    for (const frame of decoder.decode(hasPacket ? packet : null)) {
      const plane = frame.data![0]!;
      parts.push(
        new Float32Array(plane.buffer.slice(plane.byteOffset, plane.byteOffset + frame.nbSamples * 4)),
      );
    }
  }
  const samples = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    samples.set(part, offset);
    offset += part.length;
  }
  return { sampleRate: stream.codecpar.sampleRate, channels: stream.codecpar.channels, samples };
}

/** Root mean square between two times in seconds. */
export function loudness({ samples, sampleRate }: Heard, from: number, until: number): number {
  const part = samples.subarray(Math.round(from * sampleRate), Math.round(until * sampleRate));
  return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / Math.max(1, part.length));
}

/** Seconds until it is as loud as that for the first time; NaN: never. */
export function firstLoud({ samples, sampleRate }: Heard, level: number): number {
  const index = samples.findIndex((value) => Math.abs(value) > level);
  return index < 0 ? Number.NaN : index / sampleRate;
}
