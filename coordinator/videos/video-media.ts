import { z } from 'zod';
import { shownSize } from '../../lib/worker-api/shown-size.ts';
import type { Probe } from '../../lib/worker-api/tasks.ts';

/**
 * `processing`: nothing can be played yet. `playable`: something can, more is being made. `ready`: all of it is there.
 * `unplayable`: the file is no video that can be decoded. `failed`: it could not be made playable.
 */
export const MEDIA_STATUSES = ['processing', 'playable', 'ready', 'unplayable', 'failed'] as const;
export type MediaStatus = (typeof MEDIA_STATUSES)[number];

/** How far a video is as something to be played. */
export interface VideoMedia {
  readonly status: MediaStatus;
  /** Why it is not what it should be; null when it is. */
  readonly reason: string | null;
  /** Null until it was inspected. */
  readonly probe: Probe | null;
  /** 0 to 1. */
  readonly progress: number;
  /** Whether a picture was made that stands for it. */
  readonly hasPoster: boolean;
}

/** Whoever knows how far videos are. */
export interface VideoMediaSource {
  /** By the ids of the videos; those that are gone are not in it. */
  of(videoIds: readonly string[]): Promise<ReadonlyMap<string, VideoMedia>>;
}

export const mediaSchema = z.object({
  status: z
    .enum(MEDIA_STATUSES)
    .describe(
      '`processing`: nothing can be played yet. `playable`: something can, more is being made. `ready`: all of it is there. `unplayable`: the file is no video that can be decoded. `failed`: it could not be made playable.',
    ),
  reason: z.string().nullable().describe('Why it is not what it should be.'),
  durationSeconds: z.number().nonnegative().nullable().describe('Null until it is known, like what follows.'),
  width: z.int().positive().nullable().describe('As it is shown, pixels.'),
  height: z.int().positive().nullable(),
  frameRate: z.number().positive().nullable(),
  hasAudio: z.boolean().nullable(),
  progress: z.number().min(0).max(1).describe('Share of the transcoding that is done.'),
});
export type MediaJson = z.infer<typeof mediaSchema>;

/** Where it is to be had; `url` is the video's own. */
export function mediaLinksOf(url: string, media: VideoMedia | undefined) {
  const canBePlayed = media?.status === 'playable' || media?.status === 'ready';
  return {
    hls: canBePlayed ? `${url}/hls/master.m3u8` : null,
    poster: media?.hasPoster === true ? `${url}/poster.jpg` : null,
  };
}

/** What the API says of it; a video that nobody has looked at yet is being processed. */
export function describeMedia(media: VideoMedia | undefined): MediaJson {
  const { status = 'processing', reason = null, probe = null, progress = 0 } = media ?? {};
  const size = probe?.video ? shownSize(probe.video) : null;
  return {
    status,
    reason,
    durationSeconds: probe?.durationSeconds ?? null,
    width: size?.width ?? null,
    height: size?.height ?? null,
    frameRate: probe?.video?.frameRate ?? null,
    hasAudio: probe === null ? null : probe.audio.length > 0,
    progress: Math.min(1, Math.round(progress * 1000) / 1000),
  };
}
