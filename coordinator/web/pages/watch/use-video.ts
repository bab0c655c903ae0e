import { useEffect, useRef, useState } from 'preact/hooks';
import { API, ask, askVersioned, send } from '../../api/client.ts';
import { follow, type LiveJob } from '../../api/live-videos.ts';
import { type Media, mediaOf, playlistOf, posterOf } from '../../api/media.ts';
import type { Attachment, Page, Video } from '../../api/types.ts';
import { type Resource, useResource } from '../../parts/use-resource.ts';
import type { Sources } from '../../player/engine.ts';
import { parseStoryboard, type Tile } from '../../player/storyboard.ts';

/** How often a video that is being prepared is asked about while the server does not tell by itself. */
const ASK_EVERY_MS = 4000;

export interface Watched {
  readonly video: Video;
  readonly etag: string | undefined;
  /** What is being made of it; null as long as the server has told nothing. */
  readonly job: LiveJob | null;
}

export function useVideo(id: string): Resource<Watched> {
  const resource = useResource(`video ${id}`, async (signal): Promise<Watched> => {
    const { value, etag } = await askVersioned<Video>('GET', `/videos/${id}`, { signal });
    return { video: value, etag, job: null };
  });
  const isPreparing = resource.value !== undefined && isOnItsWay(mediaOf(resource.value.video));
  const { reload, set } = resource;
  useEffect(() => {
    if (!isPreparing) return;
    let isTold = false;
    const stop = follow(id, {
      onVideo: set,
      onGone: reload,
      onState: (isConnected) => {
        isTold = isConnected;
      },
    });
    const timer = setInterval(() => {
      if (!isTold && document.visibilityState === 'visible') reload();
    }, ASK_EVERY_MS);
    return () => {
      clearInterval(timer);
      stop();
    };
  }, [id, isPreparing]);
  return resource;
}

/** Whether something is still to come. */
export function isOnItsWay({ status }: Media): boolean {
  return status === 'processing' || status === 'playable';
}

export function useAttachments(id: string): readonly Attachment[] {
  const { value } = useResource(`attachments ${id}`, (signal) =>
    ask<Page<Attachment>>('GET', `/videos/${id}/attachments`, { signal }),
  );
  return value?.items ?? [];
}

/** Text to be read with the picture. */
export function isCaptions({ kind }: Attachment): boolean {
  return kind === 'captions' || kind === 'subtitles';
}

export interface ChosenSources {
  readonly sources: Sources | undefined;
  /** Whether there are playlists by now, and the file is played. */
  readonly isBetterThere: boolean;
  /** Goes over to them. */
  readonly switchOver: () => void;
}

/**
 * What the player plays: whatever there was when the page was opened. What is made later is taken by itself as long as
 * nothing has been played, and otherwise when the viewer wants it, so that nothing begins anew unasked.
 */
export function useSources(video: Video | undefined, hasBegun: () => boolean = () => false): ChosenSources {
  const taken = useRef<Sources | undefined>(undefined);
  const [, setRound] = useState(0);
  if (video === undefined) return { sources: undefined, isBetterThere: false, switchOver: () => {} };
  const now: Sources = { playlist: playlistOf(video), file: video.links.content };
  const isOther = taken.current?.file !== now.file;
  const isBetter = taken.current?.playlist === null && now.playlist !== null;
  if (isOther || (isBetter && !hasBegun())) taken.current = now;
  return {
    sources: taken.current,
    isBetterThere: isBetter && taken.current !== now,
    switchOver: () => {
      taken.current = now;
      setRound((round) => round + 1);
    },
  };
}

const NO_TILES: readonly Tile[] = [];

/** Small pictures for the seek bar, when they have been made. */
export function useStoryboard(video: Video | undefined): readonly Tile[] {
  const isThere = video !== undefined && posterOf(video) !== null;
  const { value } = useResource(`storyboard ${video?.id} ${isThere}`, async (signal) => {
    if (!isThere) return NO_TILES;
    const url = `${API}/videos/${video.id}/storyboard.vtt`;
    const response = await send(url, { signal });
    return response.ok ? parseStoryboard(await response.text(), new URL(url, location.href).href) : NO_TILES;
  });
  return value ?? NO_TILES;
}
