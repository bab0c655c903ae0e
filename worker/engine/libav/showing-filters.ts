import type { VideoTrack } from '../../../lib/worker-api/tasks.ts';
import type { ColourPlan } from './colours.ts';

/**
 * Filters that make of a source's pictures ones of `width` x `height` as they are to be shown: 8 bit 4:2:0, upright. Scaled
 * first, turned after that, because then there is less to turn.
 */
export function showingFilters(
  width: number,
  height: number,
  track: VideoTrack,
  colours: ColourPlan,
): string {
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
