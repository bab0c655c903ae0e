import type { Hono } from 'hono';
import type { Clock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { Accounts } from './accounts.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle } from './database/database.ts';
import { LiveRepository } from './live/live-repository.ts';
import { type LiveState, LiveVideos } from './live/live-videos.ts';
import { createLiveRoutes } from './live/routes.ts';
import type { LiveVideoJson } from './live/schema.ts';
import type { MediaRepository } from './transcode/media-repository.ts';
import { fullEtagOf, toVideoJson } from './videos/video-json.ts';
import type { VideoRepository } from './videos/video-repository.ts';

export interface LiveParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly videos: Pick<VideoRepository, 'findAll'>;
  readonly media: MediaRepository;
  /** Messages are ids of videos that were edited or deleted. */
  readonly editsChannel: string;
  readonly accounts: Pick<Accounts, 'isRevoked'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly basePath: string;
}

export interface Live {
  /** How many streams are open. */
  readonly streams: number;
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly routes: Hono<any>;
}

/** Puts together the streams that tell how videos are; what has to be closed goes on the stack. */
export async function openLive(stack: AsyncDisposableStack, parts: LiveParts): Promise<Live> {
  const { config, database, videos, media, editsChannel, accounts, clock, logger, stopping } = parts;
  const repository = new LiveRepository(database.kysely);
  const read = async (ids: readonly string[]): Promise<LiveState[]> => {
    const [found, mediaOf, jobOf] = await Promise.all([
      videos.findAll(ids),
      media.of(ids),
      repository.jobsOf(ids),
    ]);
    return found.map((video) => {
      const { id, ownerId, visibility } = video;
      const json: LiveVideoJson = {
        video: toVideoJson(video, `${parts.basePath}/videos/${id}`, mediaOf.get(id)),
        etag: fullEtagOf(video, mediaOf.get(id)),
        job: jobOf.get(id) ?? null,
      };
      return { id, ownerId, visibility, text: JSON.stringify(json) };
    });
  };
  const live = stack.use(
    await LiveVideos.open({
      ...{ notifications: database.notifications, editsChannel, read, clock, logger },
      underWay: (ownerId, limit) => repository.underWay(ownerId, limit),
    }),
  );
  const { isRevoked } = accounts;
  return {
    get streams() {
      return live.followers;
    },
    routes: createLiveRoutes({
      ...{ live, isRevoked, trustedProxies: config.TRUSTED_PROXIES, clock, logger, stopping },
    }),
  };
}
