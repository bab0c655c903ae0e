import type { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { type Clock, repeat } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { OPERATOR } from './auth/principal.ts';
import type { UrlGrants } from './auth/url-grants.ts';
import type { ObjectAppender } from './chunks/object-store.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle, Transaction } from './database/database.ts';
import type { Leases } from './database/leases.ts';
import type { RenditionRepository } from './renditions/rendition.ts';
import { JobProgress } from './transcode/job-progress.ts';
import { JobRepository } from './transcode/job-repository.ts';
import { createJobRoutes } from './transcode/job-routes.ts';
import { JobService } from './transcode/job-service.ts';
import { SOURCE_URL_LIFETIME_S, WORKER_MEMORY_MS } from './transcode/limits.ts';
import { MediaRepository } from './transcode/media-repository.ts';
import { OutputRepository } from './transcode/output-repository.ts';
import { ResultCommit } from './transcode/result-commit.ts';
import { TASKS_CHANNEL } from './transcode/task-channel.ts';
import { TaskRepository } from './transcode/task-repository.ts';
import { WorkerRepository } from './transcode/worker-repository.ts';
import { createWorkerRoutes } from './transcode/worker-routes.ts';
import { WorkerService } from './transcode/worker-service.ts';
import type { VideoService } from './videos/service.ts';
import type { OnVideoEvent } from './videos/video-event.ts';
import type { VideoRepository } from './videos/video-repository.ts';

export interface TranscodingParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly leases: Leases;
  readonly store: ObjectAppender;
  readonly renditions: RenditionRepository;
  readonly videos: Pick<VideoRepository, 'find'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  /** Told of what becomes of videos, in the transaction in which it does. */
  readonly onVideoEvent: OnVideoEvent;
  readonly grants: Pick<UrlGrants, 'issue'>;
  readonly basePath: string;
}

/** What the rest of the coordinator needs of it. */
export interface Transcoding {
  readonly media: MediaRepository;
  /** To be told of every video that is inserted. */
  readonly onVideoEvent: OnVideoEvent;
  /** Below the API's prefix. */
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  routes(videos: Pick<VideoService, 'find'>): Hono<any>[];
  start(): void;
}

/** Puts transcoding together: the queue, what workers ask, and the jobs. What has to be closed goes on the stack. */
export async function openTranscoding(
  stack: AsyncDisposableStack,
  parts: TranscodingParts,
): Promise<Transcoding> {
  const { config, database, leases, store, renditions, videos, clock, logger, stopping } = parts;
  const { grants, basePath } = parts;
  const { kysely, notifications } = database;
  const createId = () => uuidv7();
  const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
    kysely.transaction().execute(work);
  const announceTasks = (transaction?: Transaction) => notifications.publish(TASKS_CHANNEL, '', transaction);

  const jobs = new JobRepository(kysely);
  const tasks = new TaskRepository(kysely, { leaseMs: config.WORKER_LEASE });
  const outputs = new OutputRepository(kysely);
  const media = new MediaRepository(kysely);
  const workers = new WorkerRepository(kysely);
  const progress = new JobProgress({ jobs, media, renditions, videos, onEvent: parts.onVideoEvent });
  const results = new ResultCommit({ jobs, tasks, outputs, media, renditions, createId });
  const shared = { jobs, tasks, outputs, progress, inTransaction, announceTasks, clock, logger, createId };
  const jobService = new JobService({
    ...{ ...shared, renditions, leases },
    keepsSource: config.KEEP_SOURCE,
  });

  const workerService = stack.use(
    new WorkerService({
      ...{ ...shared, workers, store },
      results,
      sourceUrlOf: (videoId) => {
        const path = `${basePath}/videos/${videoId}/content`;
        const lifetimeS = SOURCE_URL_LIFETIME_S;
        return grants.issue({ scope: 'playback', path, prefix: path, lifetimeS, issuer: OPERATOR }).url;
      },
      outputLeaseMs: config.UPLOAD_LEASE,
    }),
  );
  stack.defer(await notifications.subscribe(TASKS_CHANNEL, () => workerService.wake()));
  stack.defer(notifications.onGap(() => workerService.wake()));
  // Who waits for a task must not hold up the stop of the server.
  stopping.addEventListener('abort', () => workerService.close(), { once: true });

  return {
    media,
    onVideoEvent: async (transaction, { type, video }) => {
      if (type === 'video.uploaded') await jobService.begin(transaction, video.id, { isUrgent: true });
    },
    routes: (service) => [
      createWorkerRoutes({ service: workerService }),
      createJobRoutes({ jobs: jobService, workers, videos: service, basePath }),
    ],
    start: () => {
      workerService.start();
      jobService.start();
      stack.use(jobService);
      void repeat(clock, WORKER_MEMORY_MS / 24, stopping, async () => {
        await workerService.forgetWorkers().catch((error: unknown) => {
          logger.warn({ err: error }, 'workers that have gone could not be forgotten');
        });
      });
    },
  };
}
