import type { Probe } from '../../lib/worker-api/tasks.ts';
import type { Transaction } from '../database/database.ts';
import type { RenditionRepository } from '../renditions/rendition.ts';
import type { OnVideoEvent, VideoEventType } from '../videos/video-event.ts';
import type { MediaStatus, VideoMedia } from '../videos/video-media.ts';
import type { VideoRepository } from '../videos/video-repository.ts';
import type { JobRendition, JobRepository } from './job-repository.ts';
import { AUDIO_TRACKS_MAX } from './limits.ts';
import { tellOfMedia } from './media-channel.ts';
import type { MediaRepository } from './media-repository.ts';
import { audioName } from './planner.ts';
import type { LockedJob } from './task-repository.ts';

export interface JobProgressOptions {
  readonly jobs: JobRepository;
  readonly media: MediaRepository;
  readonly renditions: Pick<RenditionRepository, 'publish'>;
  readonly videos: Pick<VideoRepository, 'find'>;
  readonly onEvent: OnVideoEvent;
}

const SOURCE_KEPT =
  'The source is kept: something that is played is made of its own bytes, or part of its sound is missing.';

/** Draws the conclusions from what has become of a job's tasks: what is published, how the job and the video stand. */
export class JobProgress {
  readonly #options: JobProgressOptions;

  constructor(options: JobProgressOptions) {
    this.#options = options;
  }

  /**
   * To be called in every transaction that changed the job's tasks or renditions, with the job locked. `failure` is why a
   * task was given up just now.
   */
  async settle(
    transaction: Transaction,
    job: LockedJob,
    failure?: { readonly reason: string; readonly isUnplayable: boolean },
  ): Promise<void> {
    const { jobs } = this.#options;
    // 1. Show players what is whole.
    await this.#publish(transaction, job);
    // 2. End the job when nothing is left to be done.
    const counts = await jobs.countTasks(transaction, job.id);
    const isOpen = (counts.queued ?? 0) + (counts.running ?? 0) > 0;
    const hasFailed = (counts.failed ?? 0) > 0;
    const reason = failure?.reason ?? job.reason;
    if (failure !== undefined && isOpen) await jobs.update(transaction, job.id, { reason });
    if (!isOpen) {
      const state = hasFailed ? ('failed' as const) : ('complete' as const);
      const sounds = soundsOf(job.probe);
      const isKept =
        !hasFailed && job.source === 'drop' && (await jobs.needsSource(transaction, job.video_id, sounds));
      const shown = hasFailed ? reason : isKept ? SOURCE_KEPT : null;
      const source = isKept ? ('keep' as const) : job.source;
      await jobs.update(transaction, job.id, { state, source, reason: shown, finished_at: new Date() });
    }
    // 3. Say how the video stands.
    const outcome = isOpen ? 'open' : hasFailed ? 'failed' : 'complete';
    await this.#note(transaction, job, outcome, reason, failure?.isUnplayable ?? false);
  }

  /** After a job was cancelled. */
  async settleCancelled(transaction: Transaction, job: LockedJob): Promise<void> {
    await this.#note(transaction, job, 'cancelled', 'The transcoding was cancelled.', false);
  }

  /**
   * Audio as soon as it is whole; pictures when there is sound to go with them, or none is to be expected. Of sound that is
   * copied there is no rendition until the copy is done.
   */
  async #publish(transaction: Transaction, job: LockedJob): Promise<void> {
    const { jobs, renditions } = this.#options;
    const all = await jobs.renditions(transaction, job.id);
    const isWhole = ({ pieces, pieces_done }: JobRendition) => pieces_done >= pieces;
    const sound = all.filter(({ kind }) => kind === 'audio');
    const hasSound = sound.some((one) => one.is_published || isWhole(one));
    const isSettled = hasSound || !(await this.#awaitsSound(transaction, job.id));
    for (const rendition of all) {
      if (rendition.is_published || !isWhole(rendition)) continue;
      if (rendition.kind === 'video' && !isSettled) continue;
      await renditions.publish(transaction, rendition.rendition_id);
      await transaction
        .updateTable('transcode_renditions')
        .set({ is_published: true })
        .where('job_id', '=', job.id)
        .where('name', '=', rendition.name)
        .execute();
    }
  }

  async #awaitsSound(transaction: Transaction, jobId: string): Promise<boolean> {
    const row = await transaction
      .selectFrom('transcode_tasks')
      .select('id')
      .where('job_id', '=', jobId)
      .where('kind', 'in', ['inspect', 'copy', 'audio'])
      .where('state', 'in', ['queued', 'running'])
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  async #note(
    transaction: Transaction,
    job: LockedJob,
    outcome: 'open' | 'complete' | 'failed' | 'cancelled',
    reason: string | null,
    isUnplayable: boolean,
  ): Promise<void> {
    const { media, jobs } = this.#options;
    const videoId = job.video_id;
    const before = await media.lock(transaction, videoId);
    if (before === null) return;
    const hasPictures = job.probe?.video !== null;
    const canBePlayed = await media.canBePlayed(transaction, videoId, hasPictures);
    const all = await jobs.renditions(transaction, job.id);
    // Without a poster it is complete for players.
    const isComplete =
      outcome === 'complete' ||
      (outcome === 'failed' && all.length > 0 && all.every((rendition) => rendition.is_published));
    const status = statusOf({ before, outcome, canBePlayed, isComplete, isUnplayable });
    const hasReason = outcome === 'failed' || outcome === 'cancelled';
    const shown = hasReason ? reason : null;
    await media.setStatus(transaction, videoId, status, shown);
    await tellOfMedia(transaction, videoId);
    const wasPlayable = before === 'playable' || before === 'ready';
    const types: VideoEventType[] = [];
    if (canBePlayed && !wasPlayable) types.push('video.playable');
    if (status === 'ready' && before !== 'ready') types.push('video.ready');
    // A poster that is missing is nobody's failure but the job's.
    if (outcome === 'failed' && status !== 'ready') types.push('video.failed');
    if (types.length === 0) return;
    const now = await media.find(transaction, videoId);
    for (const type of types)
      await this.#tell(transaction, type, videoId, type === 'video.failed' ? reason : null, now);
  }

  async #tell(
    transaction: Transaction,
    type: VideoEventType,
    videoId: string,
    reason: string | null,
    media: VideoMedia | undefined,
  ): Promise<void> {
    const video = await this.#options.videos.find(videoId, transaction);
    if (video === null) return;
    await this.#options.onEvent(transaction, { type, video, reason, ...(media && { media }) });
  }
}

/** Names of the renditions that its sound should have. */
function soundsOf(probe: Probe | null): string[] {
  return (probe?.audio ?? []).slice(0, AUDIO_TRACKS_MAX).map(({ index }) => audioName(index));
}

function statusOf(of: {
  readonly before: MediaStatus;
  readonly outcome: 'open' | 'complete' | 'failed' | 'cancelled';
  readonly canBePlayed: boolean;
  readonly isComplete: boolean;
  readonly isUnplayable: boolean;
}): MediaStatus {
  const { before, outcome, canBePlayed, isComplete, isUnplayable } = of;
  if (canBePlayed) {
    // What was complete before stays so while it is made anew.
    return isComplete || before === 'ready' ? 'ready' : 'playable';
  }
  if (outcome === 'open') return 'processing';
  return isUnplayable ? 'unplayable' : 'failed';
}
