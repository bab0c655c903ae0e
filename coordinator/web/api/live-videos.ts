import type { LiveVideoJson } from '../../live/schema.ts';
import { API, queryOf } from './client.ts';
import { listen } from './events.ts';

export type LiveVideo = LiveVideoJson;
export type LiveJob = NonNullable<LiveVideo['job']>;

export interface Follower {
  readonly onVideo: (live: LiveVideo) => void;
  /** It was deleted, or may not be seen any more. */
  readonly onGone: (id: string) => void;
  /** With false nothing is told, and whoever wants to know has to ask. What changed before true was not told. */
  readonly onState: (isConnected: boolean) => void;
}

type Wish = Follower & { readonly id: string | null };

/** As many as the server lets one stream name. */
const NAMED_MAX = 50;
/** What is followed one after the other becomes one connection. */
const GATHER_MS = 50;

const wishes = new Set<Wish>();
let stop: (() => void) | undefined;
let openUrl: string | undefined;
let isGathering = false;

/**
 * Tells how a video is, or with null how one's own videos are, whenever that changes, until the returned function is
 * called. All who follow something share one connection. A page that nobody looks at has none: browsers allow few to one
 * server, for all tabs together.
 */
export function follow(id: string | null, follower: Follower): () => void {
  const wish = { ...follower, id };
  wishes.add(wish);
  // Also where the video is followed already: a connection begins by telling how it is.
  openUrl = undefined;
  reconnectSoon();
  return () => {
    wishes.delete(wish);
    reconnectSoon();
  };
}

function reconnectSoon(): void {
  if (isGathering) return;
  isGathering = true;
  setTimeout(() => {
    isGathering = false;
    reconnect();
  }, GATHER_MS);
}

function reconnect(): void {
  const url = urlOf([...wishes]);
  if (url !== undefined && url === openUrl) return;
  stop?.();
  stop = undefined;
  openUrl = url;
  say(false);
  if (url !== undefined) stop = listen(url, ['video', 'gone'], hear, say);
}

function urlOf(wanted: readonly Wish[]): string | undefined {
  if (wanted.length === 0 || document.visibilityState === 'hidden') return undefined;
  const video = namedIn(wanted);
  const isMine = wanted.some(({ id }) => id === null);
  return `${API}/videos/events${queryOf({ ...(isMine && { owner: 'me' }), video })}`;
}

function namedIn(wanted: readonly Wish[]): string[] {
  const ids = wanted.flatMap(({ id }) => (id === null ? [] : [id]));
  return [...new Set(ids)].sort().slice(0, NAMED_MAX);
}

function hear({ kind, data }: { readonly kind: string; readonly data: Record<string, unknown> }): void {
  const gone = kind === 'gone' ? (data.id as string) : undefined;
  const live = data as unknown as LiveVideo;
  const id = gone ?? live.video.id;
  for (const wish of [...wishes]) {
    if (wish.id !== null && wish.id !== id) continue;
    if (gone !== undefined) wish.onGone(gone);
    else wish.onVideo(live);
  }
}

function say(isConnected: boolean): void {
  const named = new Set(namedIn([...wishes]));
  for (const wish of [...wishes]) wish.onState(isConnected && (wish.id === null || named.has(wish.id)));
}

document.addEventListener('visibilitychange', reconnectSoon);
