import type { VideoTrack } from '../../../lib/worker-api/tasks.ts';

/** The size at which pictures of a track are shown upright in square pixels, no wider than `widthMax`; both sides even. */
export function shownSize(
  track: VideoTrack,
  widthMax: number,
): { readonly width: number; readonly height: number } {
  const isOnSide = track.rotation === 90 || track.rotation === 270;
  const stored = { width: track.width * track.pixelAspect, height: track.height };
  const [width, height] = isOnSide ? [stored.height, stored.width] : [stored.width, stored.height];
  const share = Math.min(1, widthMax / width, (widthMax * 2) / height);
  return { width: even(width * share), height: even(height * share) };
}

function even(value: number): number {
  return Math.max(2, Math.round(value / 2) * 2);
}
