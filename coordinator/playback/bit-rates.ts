import { writtenSeconds } from './media-playlist.ts';
import type { SegmentTable } from './segment-table.ts';

/** Longer runs than the shortest that counts are looked at by so many segments more: they are averages of shorter ones. */
const FURTHER_SEGMENTS = 16;

/** How much has to arrive in a second. */
export interface BitRates {
  /** Bits a second, of the whole and of the most demanding part. */
  readonly average: number;
  readonly peak: number;
  readonly durationS: number;
  /** No segment is longer, rounded to whole seconds as it stands in the playlist. */
  readonly targetDurationS: number;
}

/**
 * The peak is that of RFC 8216 (section 4.3.4.2): of any run of segments that lasts between 0.5 and 1.5 target durations, so
 * that a last segment of a few frames does not count as seconds of them.
 */
export function bitRatesOf(table: SegmentTable): BitRates {
  const starts = new Float64Array(table.count + 1);
  const bytes = new Float64Array(table.count + 1);
  let targetDurationS = 1;
  for (let number = 0; number < table.count; number++) {
    const durationS = table.durationS(number);
    starts[number + 1] = starts[number]! + durationS;
    bytes[number + 1] = bytes[number]! + table.segment(number)!.servedLength;
    targetDurationS = Math.max(targetDurationS, Math.round(Number(writtenSeconds(durationS))));
  }
  const durationS = starts[table.count]!;
  const average = Math.ceil((bytes[table.count]! * 8) / durationS);
  let peak = average;
  let shortest = 1;
  for (let first = 0; first < table.count; first++) {
    while (shortest < table.count && starts[shortest]! - starts[first]! < targetDurationS * 0.5)
      shortest += 1;
    const longest = Math.min(table.count, shortest + FURTHER_SEGMENTS);
    for (let behind = shortest; behind <= longest; behind++) {
      const lastsS = starts[behind]! - starts[first]!;
      if (lastsS < targetDurationS * 0.5 || lastsS > targetDurationS * 1.5) break;
      peak = Math.max(peak, Math.ceil(((bytes[behind]! - bytes[first]!) * 8) / lastsS));
    }
  }
  return { average, peak, durationS, targetDurationS };
}
