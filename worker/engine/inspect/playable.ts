import { SAMPLE_ENTRY_BYTES_MAX } from '../mp4/limits.ts';
import type { Matrix, Track } from '../mp4/movie.ts';
import type { PictureEntry, SoundEntry } from '../mp4/sample-entry.ts';

/** Baseline, Main, High. */
const PLAYABLE_PROFILES = new Set([66, 77, 100]);
const PLAYABLE_LEVEL_MAX = 52;
const CHROMA_420 = 1;
/** LC, HE, HE version 2. */
const PLAYABLE_AAC = new Set([2, 5, 29]);
/** 5.1, which browsers mix down where there are fewer loudspeakers. */
export const PLAYABLE_CHANNELS_MAX = 6;
export const PLAYABLE_SAMPLE_RATE_MAX = 96_000;

/** What decides whether browsers play H.264. */
export interface H264Facts {
  readonly profileIdc: number;
  readonly levelIdc: number;
  /** 1: 4:2:0. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  readonly isProgressive: boolean;
}

/** Whether all browsers with Media Source Extensions show H.264 like this. They do not turn it, so nobody may have to. */
export function isPlayableH264(facts: H264Facts): boolean {
  return (
    PLAYABLE_PROFILES.has(facts.profileIdc) &&
    facts.levelIdc <= PLAYABLE_LEVEL_MAX &&
    facts.chromaFormat === CHROMA_420 &&
    facts.bitDepth === 8 &&
    facts.isProgressive
  );
}

/** Whether browsers show pictures of this entry as they lie in the file. */
export function isPlayablePicture(entry: PictureEntry, track: Track): boolean {
  return (
    entry.format === 'avc1' &&
    entry.avc !== null &&
    entry.avc.lengthBytes !== 3 &&
    entry.bytes.length <= SAMPLE_ENTRY_BYTES_MAX &&
    isPlayableH264(entry.avc.sequence) &&
    isUpright(track.matrix)
  );
}

/** Whether browsers play sound of this entry as it lies in the file. */
export function isPlayableSound(entry: SoundEntry): boolean {
  const { aac, bytes } = entry;
  return (
    aac !== null &&
    bytes !== null &&
    bytes.length <= SAMPLE_ENTRY_BYTES_MAX &&
    PLAYABLE_AAC.has(aac.objectType) &&
    aac.frameSamples === 1024 &&
    aac.channels >= 1 &&
    aac.channels <= PLAYABLE_CHANNELS_MAX &&
    aac.sampleRate <= PLAYABLE_SAMPLE_RATE_MAX
  );
}

/** Neither turned nor mirrored, of whatever size. */
export function isUpright({ a, b, c, d }: Matrix): boolean {
  return a > 0 && d > 0 && b === 0 && c === 0;
}

/** By how much a player turns pictures, in whole quarters: clockwise degrees. */
export function rotationOf({ a, b }: Matrix): 0 | 90 | 180 | 270 {
  const quarters = Math.round(Math.atan2(b, a) / (Math.PI / 2));
  return ((((quarters % 4) + 4) % 4) * 90) as 0 | 90 | 180 | 270;
}

/** RFC 6381. */
export function avcCodecs(format: string, codecsSuffix: string): string {
  return `${format}.${codecsSuffix}`;
}

export function aacCodecs(objectType: number): string {
  return `mp4a.40.${objectType}`;
}
