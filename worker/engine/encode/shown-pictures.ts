import { Frame } from 'node-av/lib';
import type { TimedPicture } from '../libav/source-pictures.ts';

/** A picture as it is to be encoded. */
export interface ShownPicture extends TimedPicture {
  /** A segment begins with it. */
  readonly isBoundary: boolean;
}

/**
 * Cuts a piece out of a source's pictures so that a picture lies exactly at every boundary but the last: where the source
 * has none there, because it lost some or shows one for long, the one that is seen at that time is shown again. Yields
 * nothing if there is no picture at all.
 *
 * `boundaries`: where the piece's segments begin, and its end.
 */
export async function* shownPictures(
  pictures: AsyncIterable<TimedPicture>,
  boundaries: readonly number[],
): AsyncGenerator<ShownPicture, void> {
  const [start, end] = [boundaries[0]!, boundaries.at(-1)!];
  const begins = boundaries.slice(0, -1);
  using seen = new Frame();
  seen.alloc();
  let hasSeen = false;
  let next = 0;
  for await (const { frame, tick } of pictures) {
    if (!hasSeen && tick >= end) return;
    // Before the first picture there is none to repeat: what comes first is shown from the beginning on.
    for (; next < begins.length && begins[next]! < tick; next += 1)
      yield { frame: hasSeen ? seen : frame, tick: begins[next]!, isBoundary: true };
    if (tick >= end) return;
    if (tick >= start) {
      const isBoundary = tick === begins[next];
      if (isBoundary) next += 1;
      yield { frame, tick, isBoundary };
    }
    seen.unref();
    seen.ref(frame);
    hasSeen = true;
  }
  if (!hasSeen) return;
  for (; next < begins.length; next += 1) yield { frame: seen, tick: begins[next]!, isBoundary: true };
}
