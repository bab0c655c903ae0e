import { useEffect, useMemo } from 'preact/hooks';
import { API, ask, askVersioned, send } from '../../api/client.ts';
import { type Media, mediaOf, playlistOf, posterOf } from '../../api/media.ts';
import type { Attachment, Page, Video } from '../../api/types.ts';
import { type Resource, useResource } from '../../parts/use-resource.ts';
import type { Sources } from '../../player/engine.ts';
import { parseStoryboard, type Tile } from '../../player/storyboard.ts';

/** How often a video that is being prepared is asked about. */
const ASK_EVERY_MS = 4000;

export interface Watched {
  readonly video: Video;
  readonly etag: string | undefined;
}

export function useVideo(id: string): Resource<Watched> {
  const resource = useResource(`video ${id}`, async (signal): Promise<Watched> => {
    const { value, etag } = await askVersioned<Video>('GET', `/videos/${id}`, { signal });
    return { video: value, etag };
  });
  const isPreparing = resource.value !== undefined && isOnItsWay(mediaOf(resource.value.video));
  const { reload } = resource;
  useEffect(() => {
    if (!isPreparing) return;
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, [isPreparing]);
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

/**
 * What the player plays: whatever there was when the page was opened, so that nothing begins anew when a quality more is
 * there.
 */
export function useSources(video: Video | undefined): Sources | undefined {
  const id = video?.id;
  return useMemo(() => {
    if (video === undefined) return undefined;
    return { playlist: playlistOf(video), file: video.links.content };
  }, [id]);
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
