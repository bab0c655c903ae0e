import type { Transaction } from '../database/database.ts';
import type { VideoMedia } from './video-media.ts';
import type { Video } from './video-repository.ts';

/** What becomes of a video and others are told of; names are part of the API. */
export const VIDEO_EVENT_TYPES = [
  'video.uploaded',
  'video.playable',
  'video.ready',
  'video.failed',
  'video.deleted',
] as const;
export type VideoEventType = (typeof VIDEO_EVENT_TYPES)[number];

export interface VideoEvent {
  readonly type: VideoEventType;
  /** As it is after the event; as it was, when it is deleted. */
  readonly video: Video;
  /** Why it failed, in words for its owner; null for all else. */
  readonly reason: string | null;
  /** How far it is then, where that is what has changed. */
  readonly media?: VideoMedia;
}

/**
 * Called in the transaction that makes the event true, and to use nothing but that transaction. What it does is
 * committed with the event or not at all; when it rejects, the event does not happen.
 */
export type OnVideoEvent = (transaction: Transaction, event: VideoEvent) => Promise<void>;
