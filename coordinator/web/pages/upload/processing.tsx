import { mediaOf } from '../../api/media.ts';
import { Preparing } from '../watch/preparing.tsx';
import { isOnItsWay, useVideo } from '../watch/use-video.ts';

/** How far a video is that has just been uploaded. */
export function Processing({ videoId }: { readonly videoId: string }) {
  const { value } = useVideo(videoId);
  if (value === undefined) return null;
  const media = mediaOf(value.video);
  if (media.reason !== null && (media.status === 'unplayable' || media.status === 'failed')) {
    return <p class="bad">{media.reason}</p>;
  }
  return isOnItsWay(media) ? <Preparing media={media} job={value.job} /> : null;
}
