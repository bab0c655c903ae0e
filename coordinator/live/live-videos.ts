import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { mayRead, type Owned, type Principal } from '../auth/principal.ts';
import type { Notifications } from '../database/notifications.ts';
import { MEDIA_CHANNEL, parseMediaMessage } from '../transcode/media-channel.ts';
import {
  GATHER_MS,
  NEWS_WAITING_MAX,
  READ_AT_ONCE_MAX,
  VIDEOS_BEGUN_MAX,
  VIDEOS_KNOWN_MAX,
} from './limits.ts';
import type { GoneVideoJson } from './schema.ts';

/** How a video is, as it is told to everybody who follows it. */
export interface LiveState extends Owned {
  readonly id: string;
  /** JSON. */
  readonly text: string;
}

export interface LiveVideosOptions {
  readonly notifications: Notifications;
  /** Messages are ids of videos that were edited or deleted. */
  readonly editsChannel: string;
  /** Those that are gone are not in it. */
  readonly read: (ids: readonly string[]) => Promise<readonly LiveState[]>;
  /** Ids of the owner's videos that are being processed, the latest ones. */
  readonly underWay: (ownerId: string, limit: number) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LiveEvent {
  readonly kind: 'video' | 'gone';
  /** JSON. */
  readonly text: string;
}

/** Whom to tell what. */
export interface Wish {
  readonly principal: Principal;
  readonly videoIds: readonly string[];
  /** All of this user's videos as well. */
  readonly ownerId: string | null;
  /** There is something to `take`. */
  readonly onNews: () => void;
  /** Nothing more will be told: whoever still wants to know has to begin anew. */
  readonly onEnd: () => void;
}

/** One who follows videos. What was not taken yet is kept once for each video, as it was last. */
class Follower {
  readonly wish: Wish;
  readonly named: ReadonlySet<string>;
  /** Of the owner's videos, in the order in which they were told of. */
  readonly known = new Set<string>();
  readonly #news = new Map<string, LiveEvent>();
  /** Digests, by the ids of the videos. */
  readonly #told = new Map<string, string>();

  constructor(wish: Wish) {
    this.wish = wish;
    this.named = new Set(wish.videoIds);
  }

  offer(id: string, state: LiveState | undefined): void {
    const isThere = state !== undefined && mayRead(this.wish.principal, state);
    const event: LiveEvent = isThere
      ? { kind: 'video', text: state.text }
      : { kind: 'gone', text: JSON.stringify({ id } satisfies GoneVideoJson) };
    const digest = createHash('sha1').update(event.text).digest('base64url');
    if (this.#told.get(id) === digest) return;
    this.#told.set(id, digest);
    this.#news.set(id, event);
    this.wish.onNews();
  }

  /** So much waits that the client cannot be reading. */
  get isOverrun(): boolean {
    return this.#news.size > NEWS_WAITING_MAX;
  }

  take(): LiveEvent[] {
    const events = [...this.#news.values()];
    this.#news.clear();
    return events;
  }

  forget(id: string): void {
    this.known.delete(id);
    this.#told.delete(id);
  }
}

/**
 * Tells those who follow videos how these are, whichever coordinator changes them. What has changed is read once for all,
 * and told as a whole, so that nothing that was missed has to be told later.
 */
export class LiveVideos implements AsyncDisposable {
  readonly #options: LiveVideosOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #followers = new Set<Follower>();
  readonly #byVideo = new Map<string, Set<Follower>>();
  readonly #byOwner = new Map<string, Set<Follower>>();
  /** Videos to look at; only those that somebody follows. */
  readonly #changed = new Set<string>();
  #reading: Promise<void> | undefined;

  private constructor(options: LiveVideosOptions) {
    this.#options = options;
  }

  static async open(options: LiveVideosOptions): Promise<LiveVideos> {
    const live = new LiveVideos(options);
    const { notifications, editsChannel } = options;
    await using stack = new AsyncDisposableStack();
    stack.use(live);
    live.#stack.defer(
      await notifications.subscribe(MEDIA_CHANNEL, (payload) => {
        const { videoId, ownerId } = parseMediaMessage(payload);
        if (live.#byVideo.has(videoId) || (ownerId !== null && live.#byOwner.has(ownerId))) {
          live.#note([videoId]);
        }
      }),
    );
    live.#stack.defer(
      await notifications.subscribe(editsChannel, (id) => {
        if (live.#byVideo.has(id)) live.#note([id]);
      }),
    );
    // What was said meanwhile is lost; whoever comes again is told how things are.
    live.#stack.defer(notifications.onGap(() => live.#endAll()));
    stack.move();
    return live;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the streams are closed'));
    await this.#stack.disposeAsync();
    this.#endAll();
    await this.#reading;
  }

  /**
   * Tells at first how all named videos are, and those of the owner that are being processed; then whatever changes.
   * `take` returns what has become known since the last time, `stop` ends it.
   */
  async follow(wish: Wish): Promise<{ readonly take: () => LiveEvent[]; readonly stop: () => void }> {
    const follower = new Follower(wish);
    this.#followers.add(follower);
    for (const id of follower.named) add(this.#byVideo, id, follower);
    const { ownerId } = wish;
    if (ownerId !== null) add(this.#byOwner, ownerId, follower);
    this.#note(follower.named);
    try {
      // After it is listed, so that nothing falls in between.
      if (ownerId !== null) this.#note(await this.#options.underWay(ownerId, VIDEOS_BEGUN_MAX));
    } catch (error) {
      this.#leave(follower);
      throw error;
    }
    return { take: () => follower.take(), stop: () => this.#leave(follower) };
  }

  /** How many follow something. */
  get followers(): number {
    return this.#followers.size;
  }

  #leave(follower: Follower): void {
    if (!this.#followers.delete(follower)) return;
    for (const id of [...follower.named, ...follower.known]) remove(this.#byVideo, id, follower);
    const { ownerId } = follower.wish;
    if (ownerId !== null) remove(this.#byOwner, ownerId, follower);
  }

  #endAll(): void {
    for (const follower of [...this.#followers]) this.#end(follower);
    this.#changed.clear();
  }

  #end(follower: Follower): void {
    this.#leave(follower);
    follower.wish.onEnd();
  }

  #note(ids: Iterable<string>): void {
    for (const id of ids) this.#changed.add(id);
    if (this.#changed.size === 0 || this.#reading !== undefined || this.#stop.signal.aborted) return;
    this.#reading = this.#readChanged()
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.logger.warn(
          { err: error },
          'how videos are cannot be read; who follows them comes again',
        );
        this.#endAll();
      })
      .finally(() => {
        this.#reading = undefined;
        // What came while the last ones were told.
        this.#note([]);
      });
  }

  async #readChanged(): Promise<void> {
    const { clock, read } = this.#options;
    while (this.#changed.size > 0) {
      await clock.sleep(GATHER_MS, this.#stop.signal);
      const ids = [...this.#changed].slice(0, READ_AT_ONCE_MAX);
      // Before they are read: what changes from now on is read again.
      for (const id of ids) this.#changed.delete(id);
      const states = new Map((await read(ids)).map((state) => [state.id, state]));
      for (const id of ids) this.#tell(id, states.get(id));
    }
  }

  #tell(id: string, state: LiveState | undefined): void {
    const owner = state?.ownerId ?? null;
    const owners = owner === null ? undefined : this.#byOwner.get(owner);
    for (const follower of owners ?? []) this.#learn(follower, id);
    for (const follower of [...(this.#byVideo.get(id) ?? [])]) {
      follower.offer(id, state);
      if (follower.isOverrun) {
        this.#end(follower);
        continue;
      }
      const isOwn = owner !== null && owner === follower.wish.ownerId;
      if (isOwn || follower.named.has(id)) continue;
      remove(this.#byVideo, id, follower);
      follower.forget(id);
    }
  }

  /** The follower is told of edits and of the deletion of this video from now on. */
  #learn(follower: Follower, id: string): void {
    if (follower.named.has(id)) return;
    follower.known.delete(id);
    follower.known.add(id);
    add(this.#byVideo, id, follower);
    if (follower.known.size <= VIDEOS_KNOWN_MAX) return;
    const [oldest = ''] = follower.known;
    remove(this.#byVideo, oldest, follower);
    follower.forget(oldest);
  }
}

function add(map: Map<string, Set<Follower>>, key: string, follower: Follower): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([follower]));
  else set.add(follower);
}

function remove(map: Map<string, Set<Follower>>, key: string, follower: Follower): void {
  const set = map.get(key);
  set?.delete(follower);
  if (set?.size === 0) map.delete(key);
}
