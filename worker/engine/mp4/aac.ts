import { BitReader } from './bit-reader.ts';
import { Mp4Error } from './boxes.ts';

/** What AudioSpecificConfig (ISO 14496-3) says of AAC. */
export interface AacConfiguration {
  /** 2: LC, 5: with spectral band replication, 29: and parametric stereo; others are rare. */
  readonly objectType: number;
  /** Of what is heard. */
  readonly sampleRate: number;
  /** 0: told elsewhere. */
  readonly channels: number;
  /** Samples of a frame at the core's rate. */
  readonly frameSamples: 960 | 1024;
}

/** The content of `esds`. */
export interface ElementaryStream {
  /** 0x40: AAC by AudioSpecificConfig. */
  readonly objectTypeIndication: number;
  readonly bitRate: number | null;
  /** What the decoder is told; AudioSpecificConfig of AAC. */
  readonly specificInfo: Uint8Array;
}

export const AAC_OBJECT_TYPE_INDICATION = 0x40;
const SAMPLE_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8];
const SYNC_EXTENSION = 0x2b7;
const SBR = 5;
const PARAMETRIC_STEREO = 29;

/** Throws Mp4Error when it is broken. */
export function parseAudioSpecificConfig(bytes: Uint8Array): AacConfiguration {
  const bits = new BitReader(bytes);
  let objectType = readObjectType(bits);
  const firstType = objectType;
  let sampleRate = readSampleRate(bits);
  const channelConfiguration = bits.bits(4);
  if (objectType === SBR || objectType === PARAMETRIC_STEREO) {
    sampleRate = readSampleRate(bits);
    objectType = readObjectType(bits);
  }
  const isShort = bits.bitsLeft > 0 && bits.flag();
  const hidden = firstType === 2 ? readHiddenExtension(bits) : undefined;
  const isStereoByParameters = firstType === PARAMETRIC_STEREO && channelConfiguration === 1;
  return {
    objectType: firstType,
    sampleRate: hidden ?? sampleRate,
    channels: isStereoByParameters ? 2 : (CHANNELS[channelConfiguration] ?? 0),
    frameSamples: isShort ? 960 : 1024,
  };
}

/** The rate with band replication that decoders which know nothing of it do not see. */
function readHiddenExtension(bits: BitReader): number | undefined {
  if (bits.bitsLeft < 18) return undefined;
  const hasCore = bits.flag();
  const isExtended = bits.flag();
  if (hasCore || isExtended || bits.bits(11) !== SYNC_EXTENSION) return undefined;
  if (bits.bits(5) !== SBR || bits.bitsLeft < 5 || !bits.flag()) return undefined;
  return readSampleRate(bits);
}

function readObjectType(bits: BitReader): number {
  const type = bits.bits(5);
  return type === 31 ? 32 + bits.bits(6) : type;
}

function readSampleRate(bits: BitReader): number {
  const index = bits.bits(4);
  const rate = index === 15 ? bits.bits(24) : SAMPLE_RATES[index];
  if (rate === undefined || rate === 0) throw new Mp4Error('unknown sample rate');
  return rate;
}

const ES_DESCRIPTOR = 3;
const DECODER_CONFIGURATION = 4;
const DECODER_SPECIFIC_INFO = 5;

/** Reads the descriptors of `esds` (ISO 14496-1) after its version. Throws Mp4Error. */
export function parseElementaryStream(bytes: Uint8Array): ElementaryStream {
  const stream = readDescriptor(bytes, ES_DESCRIPTOR);
  const flags = stream[2];
  if (flags === undefined) throw new Mp4Error('esds is too short');
  let at = 3;
  if (flags & 0x80) at += 2;
  if (flags & 0x40) at += 1 + (stream[at] ?? 0);
  if (flags & 0x20) at += 2;
  const decoder = readDescriptor(stream.subarray(at), DECODER_CONFIGURATION);
  if (decoder.length < 13) throw new Mp4Error('esds is too short');
  const average = new DataView(decoder.buffer, decoder.byteOffset).getUint32(9);
  return {
    objectTypeIndication: decoder[0]!,
    bitRate: average === 0 ? null : average,
    specificInfo:
      decoder.length > 13 ? readDescriptor(decoder.subarray(13), DECODER_SPECIFIC_INFO) : new Uint8Array(0),
  };
}

function readDescriptor(bytes: Uint8Array, tag: number): Uint8Array {
  if (bytes[0] !== tag) throw new Mp4Error('esds is broken');
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) break;
    length = length * 128 + (byte & 127);
    if (byte < 128) {
      if (at + 1 + length > bytes.length) break;
      return bytes.subarray(at + 1, at + 1 + length);
    }
  }
  throw new Mp4Error('a descriptor is too short');
}
