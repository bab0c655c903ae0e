import { randomInt } from 'node:crypto';
import type { Hono } from 'hono';
import type { Clock } from '../lib/clock/clock.ts';
import type { DirectRoute } from '../lib/http/direct-routes.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { SigningKey } from '../lib/signing/signed-url.ts';
import type { Accounts } from './accounts.ts';
import type { ObjectStore } from './chunks/object-store.ts';
import type { Placement } from './cluster/placement.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle } from './database/database.ts';
import { PlaybackCatalog } from './playback/playback-catalog.ts';
import { RecipeBook } from './playback/recipe-book.ts';
import {
  createPlaybackDirectRoutes,
  createPlaybackRoutes,
  type PlaybackRoutesDeps,
} from './playback/routes.ts';
import { PlaybackService } from './playback/service.ts';
import { SliceUrls } from './playback/slice-urls.ts';
import type { RenditionRepository } from './renditions/rendition.ts';
import type { ContentCors } from './videos/content-cors.ts';
import type { ContentResponder } from './videos/content-response.ts';
import type { VideoService } from './videos/service.ts';

/** Messages are ids of videos of which something was derived, or is not there any more. */
export const RENDITIONS_CHANNEL = 'renditions';

export interface PlaybackParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly renditions: RenditionRepository;
  readonly store: ObjectStore;
  readonly placement: Placement;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly responder: ContentResponder;
  readonly videos: VideoService;
  readonly accounts: Pick<Accounts, 'gate' | 'grants'>;
  readonly cors: ContentCors;
  readonly basePath: string;
}

export interface Playback {
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly routes: Hono<any>;
  readonly direct: readonly DirectRoute[];
}

/** Puts together what players ask for; what has to be closed goes on the stack. */
export async function openPlayback(stack: AsyncDisposableStack, parts: PlaybackParts): Promise<Playback> {
  const { config, database, renditions, store, placement, signingKey, clock, logger } = parts;
  const { responder, videos, accounts, cors, basePath } = parts;
  const catalog = new PlaybackCatalog(renditions);
  stack.defer(await database.notifications.subscribe(RENDITIONS_CHANNEL, (id) => catalog.invalidate(id)));
  stack.defer(database.notifications.onGap(() => catalog.invalidateAll()));
  const urls = new SliceUrls({
    ...{ placement, key: signingKey, publicUrls: config.NODE_PUBLIC_URLS, clock },
    seed: randomInt(2 ** 32),
  });
  const service = new PlaybackService({
    catalog,
    recipes: new RecipeBook(catalog, store),
    urls,
    delivery: config.DELIVERY,
    anonymousRead: config.ANONYMOUS_READ,
  });
  const deps: PlaybackRoutesDeps = {
    ...{ service, videos, responder, cors, logger, basePath },
    ...{ gate: accounts.gate, grants: accounts.grants },
    trustedProxies: config.TRUSTED_PROXIES,
    bodyIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT,
  };
  return { routes: createPlaybackRoutes(deps), direct: createPlaybackDirectRoutes(deps) };
}
