import { MASTER, POSTER, PREVIEW, STORYBOARD } from './paths.ts';
import type { Playable } from './playback-catalog.ts';
import type { PlaybackLinksJson } from './schema.ts';
import type { Delivery } from './service.ts';

/** Where players find what there is of a video; `base` is its path, with or without a grant. */
export function linksOf(base: string, playable: Playable, delivery?: Delivery): PlaybackLinksJson {
  const query = delivery === undefined ? '' : `?delivery=${delivery}`;
  const picture = (name: string) => (playable.pictures.has(name) ? `${base}/${name}` : null);
  return {
    hls: playable.renditions.size > 0 ? `${base}/${MASTER}${query}` : null,
    poster: picture(POSTER),
    storyboard: picture(STORYBOARD),
    preview: picture(PREVIEW),
  };
}
