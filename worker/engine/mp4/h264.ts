import { BitReader } from './bit-reader.ts';
import { Mp4Error } from './boxes.ts';

/** What a sequence parameter set of H.264 (7.3.2.1) says of its pictures. */
export interface SequenceParameters {
  readonly profileIdc: number;
  readonly constraints: number;
  /** Ten times the level. */
  readonly levelIdc: number;
  /** 1: 4:2:0. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  /** No picture is a field. */
  readonly isProgressive: boolean;
  /** Of what is shown. */
  readonly width: number;
  readonly height: number;
  /** Width of a pixel divided by its height; null: not told. */
  readonly pixelAspect: number | null;
  /** Transfer characteristics (H.273); 2: not told. */
  readonly transfer: number;
}

/** The content of `avcC` (ISO 14496-15). */
export interface AvcConfiguration {
  readonly lengthBytes: number;
  readonly sequence: SequenceParameters;
  /** RFC 6381, without what tells the sample entry: `64001f`. */
  readonly codecsSuffix: string;
}

const SPS_BYTES_MAX = 4096;
/** Profiles that say how colour is sampled. */
const CHROMA_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Table E-1; the first is "not told", and 255 means that numbers follow. */
const PIXEL_ASPECTS = [
  [0, 0],
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
] as const;
const EXTENDED_ASPECT = 255;

/** Throws Mp4Error when it is broken. */
export function parseAvcConfiguration(bytes: Uint8Array): AvcConfiguration {
  const [version, profile, compatibility, level, lengths, count, high, low] = bytes;
  if (low === undefined || version !== 1) throw new Mp4Error('avcC is broken');
  const length = high! * 256 + low;
  if ((count! & 31) === 0 || length < 4 || 8 + length > bytes.length)
    throw new Mp4Error('avcC has no parameters');
  return {
    lengthBytes: (lengths! & 3) + 1,
    sequence: parseSequenceParameters(bytes.subarray(8, 8 + length)),
    codecsSuffix: [profile, compatibility, level].map((byte) => byte!.toString(16).padStart(2, '0')).join(''),
  };
}

/** `nal` begins with its one byte of header. Throws Mp4Error. */
export function parseSequenceParameters(nal: Uint8Array): SequenceParameters {
  const bits = new BitReader(withoutEmulation(nal.subarray(1, SPS_BYTES_MAX)));
  const profileIdc = bits.bits(8);
  const constraints = bits.bits(8);
  const levelIdc = bits.bits(8);
  bits.unsigned();
  const { chromaFormat, bitDepth } = readChroma(bits, profileIdc);
  skipOrder(bits);
  bits.unsigned();
  bits.flag();
  const widthMbs = bits.unsigned() + 1;
  const heightUnits = bits.unsigned() + 1;
  const isProgressive = bits.flag();
  if (!isProgressive) bits.flag();
  bits.flag();
  const crop = bits.flag() ? [0, 0, 0, 0].map(() => bits.unsigned()) : [0, 0, 0, 0];
  const [left, right, top, bottom] = crop as [number, number, number, number];
  const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const unitY = (chromaFormat === 1 ? 2 : 1) * (isProgressive ? 1 : 2);
  const width = widthMbs * 16 - (left + right) * unitX;
  const height = heightUnits * 16 * (isProgressive ? 1 : 2) - (top + bottom) * unitY;
  if (width < 1 || height < 1 || width > 65_535 || height > 65_535) {
    throw new Mp4Error(`pictures of ${width} x ${height}`);
  }
  const usability = bits.flag() ? readUsability(bits) : { pixelAspect: null, transfer: 2 };
  return {
    ...{ profileIdc, constraints, levelIdc, chromaFormat, bitDepth, isProgressive, width, height },
    ...usability,
  };
}

function readChroma(bits: BitReader, profileIdc: number): { chromaFormat: number; bitDepth: number } {
  if (!CHROMA_PROFILES.has(profileIdc)) return { chromaFormat: 1, bitDepth: 8 };
  const chromaFormat = bits.unsigned();
  if (chromaFormat > 3) throw new Mp4Error(`colour format ${chromaFormat}`);
  if (chromaFormat === 3) bits.flag();
  const bitDepth = 8 + Math.max(bits.unsigned(), bits.unsigned());
  if (bitDepth > 14) throw new Mp4Error(`${bitDepth} bits a sample`);
  bits.flag();
  if (bits.flag()) {
    for (let list = 0; list < (chromaFormat === 3 ? 12 : 8); list++) {
      if (bits.flag()) skipScalingList(bits, list < 6 ? 16 : 64);
    }
  }
  return { chromaFormat, bitDepth };
}

function skipScalingList(bits: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let index = 0; index < size; index++) {
    if (next !== 0) next = (last + bits.signed() + 256) % 256;
    if (next !== 0) last = next;
  }
}

/** Numbers of frames and the order in which they are shown. */
function skipOrder(bits: BitReader): void {
  bits.unsigned();
  const type = bits.unsigned();
  if (type === 0) bits.unsigned();
  if (type !== 1) return;
  bits.flag();
  bits.signed();
  bits.signed();
  const cycle = bits.unsigned();
  if (cycle > 255) throw new Mp4Error('a cycle of pictures is too long');
  for (let index = 0; index < cycle; index++) bits.signed();
}

function readUsability(bits: BitReader): Pick<SequenceParameters, 'pixelAspect' | 'transfer'> {
  let pixelAspect: number | null = null;
  if (bits.flag()) {
    const index = bits.bits(8);
    const [across, down] =
      index === EXTENDED_ASPECT ? [bits.bits(16), bits.bits(16)] : (PIXEL_ASPECTS[index] ?? [0, 0]);
    if (across > 0 && down > 0) pixelAspect = across / down;
  }
  if (bits.flag()) bits.flag();
  let transfer = 2;
  if (bits.flag()) {
    bits.skip(4);
    if (bits.flag()) {
      bits.skip(8);
      transfer = bits.bits(8);
    }
  }
  return { pixelAspect, transfer };
}

/** Takes the bytes out that keep content from looking like the beginning of a unit. */
function withoutEmulation(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    result[length++] = byte;
  }
  return result.subarray(0, length);
}
