import { PICTURE_NAME } from '../renditions/rendition.ts';

/** What a path below a video names. */
export type PlaybackTarget =
  | { readonly kind: 'master' }
  | { readonly kind: 'media'; readonly renditionId: string }
  | { readonly kind: 'init'; readonly renditionId: string; readonly piece: number }
  | { readonly kind: 'segment'; readonly renditionId: string; readonly number: number }
  | { readonly kind: 'captions' | 'captionsFile'; readonly name: string }
  | { readonly kind: 'picture'; readonly name: string };

const RENDITION = '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})';
const OF_RENDITION = new RegExp(
  `^hls/${RENDITION}/(?:(\\d{1,6})\\.m4s|(index\\.m3u8)|init-(\\d{1,6})\\.mp4)$`,
);
const OF_CAPTIONS = /^hls\/captions\/([A-Za-z0-9][A-Za-z0-9._-]{0,99})\/(?:(index\.m3u8)|captions\.vtt)$/;

/** `path` is what stands behind the video's own and a slash. Undefined when nothing can be there. */
export function parsePlaybackPath(path: string): PlaybackTarget | undefined {
  const inRendition = OF_RENDITION.exec(path);
  if (inRendition !== null) {
    const [, renditionId = '', number, index, piece] = inRendition;
    if (number !== undefined) return { kind: 'segment', renditionId, number: Number(number) };
    if (index !== undefined) return { kind: 'media', renditionId };
    return { kind: 'init', renditionId, piece: Number(piece) };
  }
  if (path === MASTER) return { kind: 'master' };
  const ofCaptions = OF_CAPTIONS.exec(path);
  if (ofCaptions !== null) {
    const [, name = '', index] = ofCaptions;
    return { kind: index === undefined ? 'captionsFile' : 'captions', name };
  }
  return PICTURE_NAME.test(path) ? { kind: 'picture', name: path } : undefined;
}

/** Below a video's path, like all that follow. */
export const MASTER = 'hls/master.m3u8';
export const POSTER = 'poster.jpg';
export const STORYBOARD = 'storyboard.vtt';
export const PREVIEW = 'preview.webp';

/** Relative to the master playlist. */
export function mediaPathOf(renditionId: string): string {
  return `${renditionId}/index.m3u8`;
}

export function captionsPathOf(name: string): string {
  return `captions/${name}/index.m3u8`;
}

/** Relative to the media playlist. */
export function segmentPathOf(number: number): string {
  return `${number}.m4s`;
}

export function initPathOf(piece: number): string {
  return `init-${piece}.mp4`;
}

export const CAPTIONS_FILE = 'captions.vtt';
