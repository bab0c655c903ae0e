import type { Frame } from 'node-av/lib';
import type { VideoRung, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import type { ColourPlan } from '../libav/colours.ts';
import { PictureFilter } from '../libav/picture-filter.ts';
import { showingFilters } from '../libav/showing-filters.ts';

/**
 * Makes pictures of every rung's size: the greatest from the source, each other one from the one above it, which costs a
 * fraction of scaling all of them from the top.
 */
export class ScalingChain implements Disposable {
  readonly #filters: readonly PictureFilter[];

  /** `rungs`: descending in size. */
  constructor(rungs: readonly VideoRung[], track: VideoTrack, colours: ColourPlan) {
    this.#filters = rungs.map(
      ({ width, height }, index) =>
        new PictureFilter(
          index === 0
            ? showingFilters(width, height, track, colours)
            : `scale=${width}:${height}:flags=bicubic`,
        ),
    );
  }

  /** The picture for each rung down to the last one that `wants` it. A picture is gone when the next source frame comes. */
  *scale(
    frame: Frame,
    wants: readonly boolean[],
  ): Generator<{ readonly index: number; readonly frame: Frame }> {
    const last = wants.lastIndexOf(true);
    let picture = frame;
    for (const [index, filter] of this.#filters.slice(0, last + 1).entries()) {
      picture = filter.filterOne(picture);
      if (wants[index]) yield { index, frame: picture };
    }
  }

  [Symbol.dispose](): void {
    for (const filter of this.#filters) filter[Symbol.dispose]();
  }
}
