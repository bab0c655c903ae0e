import type { IRational } from 'node-av/lib';

/** `ticks` of `base` seconds each. */
export interface Moment {
  readonly ticks: bigint;
  readonly base: IRational;
}

/**
 * Time as all renditions of a video count it: 0 is when the first picture is shown (of sound alone, when it begins), which
 * in a file may be any time. Sound from before is never heard. Exact, whatever the timescales are.
 */
export class Timeline {
  readonly #zero: Moment;

  constructor(zero: Moment) {
    this.#zero = zero;
  }

  /** Ticks of 1/`timescale` s since time 0, the nearest; negative before. */
  toTicks(moment: Moment, timescale: number): number {
    const { base } = moment;
    const zero = this.#zero;
    const numerator =
      (moment.ticks * BigInt(base.num) * BigInt(zero.base.den) -
        zero.ticks * BigInt(zero.base.num) * BigInt(base.den)) *
      BigInt(timescale);
    return Number(divideRounded(numerator, BigInt(base.den) * BigInt(zero.base.den)));
  }

  /** What a stream with this `base` carries so many ticks of 1/`timescale` s after time 0, the nearest. */
  fromTicks(ticks: number, timescale: number, base: IRational): bigint {
    const zero = this.#zero;
    const numerator =
      (BigInt(ticks) * BigInt(zero.base.den) + zero.ticks * BigInt(zero.base.num) * BigInt(timescale)) *
      BigInt(base.den);
    return divideRounded(numerator, BigInt(timescale) * BigInt(zero.base.den) * BigInt(base.num));
  }
}

function divideRounded(numerator: bigint, denominator: bigint): bigint {
  const half = denominator / 2n;
  return numerator >= 0n ? (numerator + half) / denominator : -((-numerator + half) / denominator);
}
