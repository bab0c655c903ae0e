/**
 * H.264 (ITU-T H.264) of any size in few bytes: a grey picture, then pictures that repeat it, each a handful of bytes. What
 * a decoder has to do for it is as much as for any other picture.
 */
export interface TinyH264 {
  /** Macroblocks of 16 x 16. */
  readonly across: number;
  readonly down: number;
  readonly bitDepth: 8 | 10;
  /** Pictures that a decoder has to keep. */
  readonly references: number;
  /** Slices that each picture after the first one is cut into. */
  readonly slices?: number;
}

const [SLICE, SLICE_OF_KEYFRAME, SEQUENCE, PICTURE] = [1, 5, 7, 8];
/** A macroblock of one colour without residual, in eight bits: I_16x16_2_0_0, chroma DC, no change of QP, no coefficient. */
const GREY_MACROBLOCK = [0b0010_0111, 8] as const;
const LEVEL_IDC = 62;
const FRAME_NUMBER_BITS = 16;

/** The `avcC` of it. */
export function tinyAvcConfiguration(options: TinyH264): Buffer {
  const sequence = unit(SEQUENCE, sequenceParameters(options));
  const picture = unit(PICTURE, pictureParameters());
  return Buffer.concat([
    Buffer.from([1, sequence[1]!, sequence[2]!, sequence[3]!, 0xff, 0xe1]),
    length16(sequence),
    sequence,
    Buffer.from([1]),
    length16(picture),
    picture,
  ]);
}

/** A sample: units after their lengths of four bytes. */
export function tinyPicture(options: TinyH264, index: number): Buffer {
  const total = options.across * options.down;
  const slices = index === 0 ? 1 : (options.slices ?? 1);
  const units = Array.from({ length: slices }, (_, slice) => {
    const first = Math.floor((total * slice) / slices);
    const count = Math.floor((total * (slice + 1)) / slices) - first;
    return unit(index === 0 ? SLICE_OF_KEYFRAME : SLICE, sliceBits(index, first, count));
  });
  return Buffer.concat(units.flatMap((each) => [length32(each), each]));
}

function sequenceParameters({ across, down, bitDepth, references }: TinyH264): Bits {
  const bits = new Bits();
  bits
    .put(bitDepth === 8 ? 100 : 110, 8)
    .put(0, 8)
    .put(LEVEL_IDC, 8)
    .golomb(0);
  bits
    .golomb(1)
    .golomb(bitDepth - 8)
    .golomb(bitDepth - 8)
    .put(0, 2);
  // Pictures are shown in the order in which they are decoded.
  bits.golomb(FRAME_NUMBER_BITS - 4).golomb(2);
  bits
    .golomb(references)
    .put(0, 1)
    .golomb(across - 1)
    .golomb(down - 1);
  return bits.put(0b11, 2).put(0, 2).end();
}

function pictureParameters(): Bits {
  // CAVLC, one slice group, one reference, no weights; slices say whether they are deblocked.
  const bits = new Bits().golomb(0).golomb(0).put(0, 2).golomb(0).golomb(0).golomb(0).put(0, 3);
  return bits.golomb(0).golomb(0).golomb(0).put(0b100, 3).end();
}

function sliceBits(index: number, firstMacroblock: number, count: number): Bits {
  const isKeyframe = index === 0;
  const bits = new Bits().golomb(firstMacroblock).golomb(isKeyframe ? 7 : 5);
  bits.golomb(0).put(index % 2 ** FRAME_NUMBER_BITS, FRAME_NUMBER_BITS);
  if (isKeyframe) bits.golomb(0).put(0, 2);
  else bits.put(0, 3);
  bits.golomb(0).golomb(1);
  if (isKeyframe) for (let done = 0; done < count; done++) bits.put(...GREY_MACROBLOCK);
  else bits.golomb(count);
  return bits.end();
}

/** A NAL unit that others refer to. */
function unit(type: number, bits: Bits): Buffer {
  const escaped = [0x60 | type];
  let zeros = 0;
  for (const byte of bits.bytes) {
    if (zeros >= 2 && byte <= 3) {
      escaped.push(3);
      zeros = 0;
    }
    escaped.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(escaped);
}

function length16({ length }: Buffer): Buffer {
  return Buffer.from([length >> 8, length & 255]);
}

function length32({ length }: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** Bits, the greatest first. */
class Bits {
  readonly bytes: number[] = [];
  #last = 0;
  #count = 0;

  put(value: number, count: number): this {
    for (let bit = count - 1; bit >= 0; bit--) {
      this.#last = (this.#last << 1) | ((value >>> bit) & 1);
      this.#count += 1;
      if (this.#count % 8 === 0) {
        this.bytes.push(this.#last);
        this.#last = 0;
      }
    }
    return this;
  }

  /** Exponential-Golomb code; signed numbers are 0 here, and the same. */
  golomb(value: number): this {
    const length = 32 - Math.clz32(value + 1);
    return this.put(0, length - 1).put(value + 1, length);
  }

  /** Trailing bits up to a whole byte. */
  end(): this {
    this.put(1, 1);
    while (this.#count % 8 !== 0) this.put(0, 1);
    return this;
  }
}
