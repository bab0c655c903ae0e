import type { VideoTrack } from './tasks.ts';

/** How large the pictures are when they are shown: turned, and with square pixels. */
export function shownSize(video: VideoTrack): { readonly width: number; readonly height: number } {
  const width = video.width * video.pixelAspect;
  const isTurned = video.rotation === 90 || video.rotation === 270;
  const [across, down] = isTurned ? [video.height, width] : [width, video.height];
  return { width: Math.max(1, Math.round(across)), height: Math.max(1, Math.round(down)) };
}
