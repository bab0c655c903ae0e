import type { Video } from './types.ts';

/** What is known of a video's pictures and sound. */
export interface Media {
  /** `unknown`: this server does not say; the file itself is all there is. */
  readonly status: 'unknown' | 'processing' | 'playable' | 'ready' | 'unplayable' | 'failed';
  readonly reason: string | null;
  readonly durationSeconds: number | null;
  /** 0 to 1; null when nobody knows. */
  readonly progress: number | null;
}

const UNKNOWN: Media = { status: 'unknown', reason: null, durationSeconds: null, progress: null };
const STATES = ['processing', 'playable', 'ready', 'unplayable', 'failed'] as const;

/** Reads it leniently: a server before or after this page may say less. */
export function mediaOf(video: Video): Media {
  const media = (video as { media?: unknown }).media;
  if (typeof media !== 'object' || media === null) return UNKNOWN;
  const { status, reason, durationSeconds, progress } = media as Record<string, unknown>;
  const known = STATES.find((name) => name === status);
  if (known === undefined) return UNKNOWN;
  return {
    status: known,
    reason: typeof reason === 'string' ? reason : null,
    durationSeconds: typeof durationSeconds === 'number' ? durationSeconds : null,
    progress: typeof progress === 'number' ? progress : null,
  };
}

/** The playlists of all qualities; null when nothing can be played from them yet. */
export function playlistOf(video: Video): string | null {
  return linkOf(video, 'hls');
}

/** Made of the video itself; null when that has not been done. The storyboard comes with it. */
export function posterOf(video: Video): string | null {
  return linkOf(video, 'poster');
}

function linkOf(video: Video, name: string): string | null {
  const link = (video.links as Readonly<Record<string, unknown>>)[name];
  return typeof link === 'string' ? link : null;
}
