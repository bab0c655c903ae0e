import { AV_PROFILE_AAC_HE, AV_PROFILE_AAC_HE_V2, AV_PROFILE_AAC_LOW } from 'node-av/constants';
import type { Stream } from 'node-av/lib';
import { TaskFailure } from '../../task-context.ts';
import { soundEntry } from '../cmaf/init-segment.ts';
import { type AacConfiguration, parseAudioSpecificConfig } from '../mp4/aac.ts';
import { Mp4Error } from '../mp4/boxes.ts';

const OBJECT_TYPES = new Map<number, number>([
  [AV_PROFILE_AAC_LOW, 2],
  [AV_PROFILE_AAC_HE, 5],
  [AV_PROFILE_AAC_HE_V2, 29],
]);

/** How the packets of a stream become samples of MP4. */
export interface AacStream {
  /** As RFC 6381 has it: 2, 5 or 29. */
  readonly objectType: number;
  /** Ticks a second of the rendition: the rate at which it is heard. */
  readonly sampleRate: number;
  /** Of what is heard. */
  readonly channels: number;
  readonly frameTicks: number;
  /** An `mp4a` for `stsd`. */
  readonly sampleEntry: Uint8Array;
  /** A sample out of a packet's content: memory of its own; null: there is nothing in it. */
  toSample(content: Uint8Array): Uint8Array | null;
}

/** `first` is the content of the stream's first packet: in streams without a description each has one. */
export function openAac({ codecpar }: Stream, first: Uint8Array): AacStream {
  const told = codecpar.extradata;
  const hasHeaders = told === null || told.length < 2;
  const description = hasHeaders ? describeAdts(first) : Uint8Array.from(told);
  const configuration = parse(description);
  // FFmpeg has heard it: band replication and stereo that the description does not tell of are in its numbers.
  const sampleRate = codecpar.sampleRate;
  const channels = codecpar.channels;
  const frameTicks =
    codecpar.frameSize > 0
      ? codecpar.frameSize
      : Math.round((configuration.frameSamples * sampleRate) / configuration.sampleRate);
  return {
    ...{ sampleRate, channels, frameTicks },
    objectType: OBJECT_TYPES.get(codecpar.profile) ?? configuration.objectType,
    sampleEntry: soundEntry({ sampleRate, channels, aacConfiguration: description }),
    toSample: (content) => {
      const frame = hasHeaders ? content.subarray(adtsHeaderBytes(content)) : content;
      return frame.length === 0 ? null : Uint8Array.from(frame);
    },
  };
}

function parse(description: Uint8Array): AacConfiguration {
  try {
    return parseAudioSpecificConfig(description);
  } catch (error) {
    if (error instanceof Mp4Error) throw undescribed();
    throw error;
  }
}

function undescribed(): TaskFailure {
  return new TaskFailure('failed', 'The sound of this file does not say how it is coded.');
}

/** AudioSpecificConfig of what a header of ADTS (ISO 14496-3, 1.A.2) says. */
function describeAdts(frame: Uint8Array): Uint8Array {
  if (adtsHeaderBytes(frame) === 0) throw undescribed();
  const objectType = (frame[2]! >> 6) + 1;
  const rate = (frame[2]! >> 2) & 15;
  const channels = ((frame[2]! & 1) << 2) | (frame[3]! >> 6);
  if (channels === 0) throw undescribed();
  return Uint8Array.of((objectType << 3) | (rate >> 1), ((rate & 1) << 7) | (channels << 3));
}

/** 0: there is no header. */
function adtsHeaderBytes(frame: Uint8Array): number {
  if (frame.length < 7 || frame[0] !== 0xff || (frame[1]! & 0xf6) !== 0xf0) return 0;
  const hasChecksum = (frame[1]! & 1) === 0;
  return hasChecksum ? 9 : 7;
}
