import type { Frame } from 'node-av/lib';
import type { VideoRung, VideoTrack } from '../../../lib/worker-api/tasks.ts';
import { PictureFilter } from '../libav/picture-filter.ts';
import type { ColourPlan } from './colours.ts';

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
          index === 0 ? topFilters(width, height, track, colours) : `scale=${width}:${height}:flags=bicubic`,
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

/** Of the source's pictures: scaled first, turned after that, because then there is less to turn. */
function topFilters(width: number, height: number, track: VideoTrack, colours: ColourPlan): string {
  const isOnSide = track.rotation === 90 || track.rotation === 270;
  const size = isOnSide ? `${height}:${width}` : `${width}:${height}`;
  return [
    `scale=${size}:flags=bicubic:out_range=tv${colours.scaleOptions}`,
    ...colours.filtersAfter,
    'format=yuv420p',
    ...turns(track.rotation),
    'setsar=1',
  ].join(',');
}

function turns(rotation: VideoTrack['rotation']): string[] {
  switch (rotation) {
    case 0:
      return [];
    case 90:
      return ['transpose=clock'];
    case 180:
      return ['hflip', 'vflip'];
    case 270:
      return ['transpose=cclock'];
  }
}
