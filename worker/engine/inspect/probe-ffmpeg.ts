import {
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_H264,
  AV_DISPOSITION_DEFAULT,
  AV_NOPTS_VALUE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AV_PROFILE_AAC_HE,
  AV_PROFILE_AAC_HE_V2,
  AV_PROFILE_AAC_LOW,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_SMPTE2084,
} from 'node-av/constants';
import { avGetCodecName, avGetPixFmtName, type IRational, type Stream } from 'node-av/lib';
import type { AudioTrack, Probe, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import type { OpenSource } from '../libav/open-source.ts';
import { Mp4Error } from '../mp4/boxes.ts';
import { parseAvcConfiguration } from '../mp4/h264.ts';
import type { Matrix } from '../mp4/movie.ts';
import {
  isPlayableH264,
  isUpright,
  PLAYABLE_CHANNELS_MAX,
  PLAYABLE_SAMPLE_RATE_MAX,
  rotationOf,
} from './playable.ts';

/** As FFmpeg numbers the profiles of codecs other than H.264. */
const PROFILES: Readonly<Record<string, readonly string[]>> = {
  hevc: ['', 'Main', 'Main 10', 'Main Still Picture', 'Rext'],
  vp9: ['Profile 0', 'Profile 1', 'Profile 2', 'Profile 3'],
  av1: ['Main', 'High', 'Professional'],
  mpeg2video: ['4:2:2', 'High', 'Spatially Scalable', 'SNR Scalable', 'Main', 'Simple'],
};
const H264_PROFILES: Readonly<Record<number, string>> = {
  66: 'Baseline',
  [66 + 512]: 'Constrained Baseline',
  77: 'Main',
  88: 'Extended',
  100: 'High',
  110: 'High 10',
  122: 'High 4:2:2',
  244: 'High 4:4:4 Predictive',
};
/** Rates that differ by more than this share are no rounding. */
const RATE_SHARE = 0.02;

/** What FFmpeg finds in a source that lasts `durationSeconds`. */
export function probeSource(source: OpenSource, durationSeconds: number, sizeBytes: number): Probe {
  const { format, video, audio } = source;
  return {
    container: (format.iformat?.name ?? 'unknown').slice(0, 200),
    durationSeconds,
    sizeBytes,
    bitRate: positive(Math.round((sizeBytes * 8) / durationSeconds)),
    video: video === null ? null : probePictureStream(video),
    audio: audio.slice(0, 64).map(probeSoundStream),
  };
}

/** The rate of pictures as a fraction: of the whole, or else as the stream's times let think. */
export function frameRateOf(stream: Stream): IRational | null {
  const rates = [stream.avgFrameRate, stream.rFrameRate];
  return rates.find(({ num, den }) => num > 0 && den > 0 && num / den <= 1000) ?? null;
}

function probePictureStream(stream: Stream): VideoTrack {
  const { codecpar } = stream;
  const codec = (avGetCodecName(codecpar.codecId) ?? 'unknown').slice(0, 200);
  const average = frameRateOf(stream);
  const base = stream.rFrameRate;
  const rate = average === null ? null : average.num / average.den;
  const baseRate = base.num > 0 && base.den > 0 ? base.num / base.den : rate;
  const matrix = matrixOf(stream);
  const trc = codecpar.colorTrc;
  return {
    codec,
    profile: profileOf(codec, codecpar.profile),
    width: codecpar.width,
    height: codecpar.height,
    rotation: matrix === null ? 0 : rotationOf(matrix),
    pixelAspect: pixelAspectOf(stream),
    frameRate: stream.nbFrames === 1n ? null : rate,
    isVariableFrameRate: rate !== null && baseRate !== null && Math.abs(rate / baseRate - 1) > RATE_SHARE,
    bitDepth: bitDepthOf(codecpar.bitsPerRawSample, codecpar.format),
    range: trc === AVCOL_TRC_SMPTE2084 ? 'pq' : trc === AVCOL_TRC_ARIB_STD_B67 ? 'hlg' : 'sdr',
    bitRate: positive(Number(codecpar.bitRate)),
  };
}

function probeSoundStream(stream: Stream, index: number): AudioTrack {
  const { codecpar } = stream;
  const tags = stream.metadata;
  return {
    index,
    codec: (avGetCodecName(codecpar.codecId) ?? 'unknown').slice(0, 200),
    channels: Math.min(64, Math.max(1, codecpar.channels)),
    sampleRate: Math.min(1_000_000, Math.max(1, codecpar.sampleRate)),
    language: languageOf(tags?.get('language') ?? null),
    title: tags?.get('title')?.slice(0, 200) || null,
    isDefault: (stream.disposition & AV_DISPOSITION_DEFAULT) !== 0,
    bitRate: positive(Number(codecpar.bitRate)),
  };
}

/** Whether browsers show the stream's pictures when they are put into fragments of MP4. */
export function isCopyablePicture(stream: Stream): boolean {
  const { codecpar } = stream;
  if (codecpar.codecId !== AV_CODEC_ID_H264) return false;
  const matrix = matrixOf(stream);
  const record = codecpar.getDecoderConfigurationRecord();
  if (record === null || (matrix !== null && !isUpright(matrix))) return false;
  try {
    return isPlayableH264(parseAvcConfiguration(record).sequence);
  } catch (error) {
    if (error instanceof Mp4Error) return false;
    throw error;
  }
}

/** Whether browsers play the stream's sound when it is put into fragments of MP4. */
export function isCopyableSound({ codecpar }: Stream): boolean {
  const profiles = [AV_PROFILE_AAC_LOW, AV_PROFILE_AAC_HE, AV_PROFILE_AAC_HE_V2];
  return (
    codecpar.codecId === AV_CODEC_ID_AAC &&
    profiles.includes(codecpar.profile) &&
    codecpar.channels >= 1 &&
    codecpar.channels <= PLAYABLE_CHANNELS_MAX &&
    codecpar.sampleRate <= PLAYABLE_SAMPLE_RATE_MAX
  );
}

/** How long the source says it lasts, seconds; null: it does not say. */
export function toldDuration({ format, video, audio }: OpenSource): number | null {
  if (format.duration !== AV_NOPTS_VALUE && format.duration > 0n) return Number(format.duration) / 1e6;
  const streams = video === null ? audio : [video];
  const durations = streams
    .filter(({ duration }) => duration !== AV_NOPTS_VALUE && duration > 0n)
    .map(({ duration, timeBase }) => (Number(duration) * timeBase.num) / timeBase.den);
  return durations.length === 0 ? null : Math.max(...durations);
}

/** FFmpeg's display matrix: 3 x 3 numbers of 16.16 bits, in the order in which MP4 has them. */
function matrixOf(stream: Stream): Matrix | null {
  const data = stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX);
  if (data === null || data.length < 36) return null;
  const fixed = (index: number): number => data.readInt32LE(index * 4) / 0x1_0000;
  return { a: fixed(0), b: fixed(1), c: fixed(3), d: fixed(4) };
}

function pixelAspectOf(stream: Stream): number {
  const aspects = [stream.sampleAspectRatio, stream.codecpar.sampleAspectRatio];
  const known = aspects.find(({ num, den }) => num > 0 && den > 0);
  return known === undefined ? 1 : known.num / known.den;
}

function profileOf(codec: string, profile: number): string | null {
  return (codec === 'h264' ? H264_PROFILES[profile] : PROFILES[codec]?.[profile]) || null;
}

function bitDepthOf(rawBits: number, format: number): number | null {
  if (rawBits > 0 && rawBits <= 32) return rawBits;
  const name = avGetPixFmtName(format as Parameters<typeof avGetPixFmtName>[0]);
  if (name === null) return null;
  const depth = /(9|10|12|14|16)(le|be)$/.exec(name)?.[1];
  return depth === undefined ? 8 : Number(depth);
}

function languageOf(tag: string | null): string | null {
  return tag !== null && /^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$/.test(tag) && tag !== 'und' && tag.length <= 35
    ? tag
    : null;
}

function positive(rate: number): number | null {
  return Number.isSafeInteger(rate) && rate > 0 ? rate : null;
}
