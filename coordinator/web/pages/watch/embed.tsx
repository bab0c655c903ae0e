import { posterOf } from '../../api/media.ts';
import { query } from '../../app/navigation.ts';
import { Failed, Loading } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';
import { Player } from '../../player/player.tsx';
import { isCaptions, useAttachments, useSources, useStoryboard, useVideo } from './use-video.ts';

/** A video and nothing else, for frames on other pages. */
export function EmbedPage({ id = '' }: { readonly id?: string }) {
  const { value, error } = useVideo(id);
  const video = value?.video;
  const attachments = useAttachments(id);
  const { sources } = useSources(video);
  const storyboard = useStoryboard(video);
  useTitle(video?.title);
  if (video === undefined || sources === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} />;
  }
  const asked = Number(query.peek().get('t'));
  return (
    <main class="embed">
      <Player
        videoId={id}
        title={video.title}
        sources={sources}
        poster={posterOf(video)}
        captions={attachments.filter(isCaptions)}
        storyboard={storyboard}
        startS={Number.isFinite(asked) ? Math.max(0, asked) : 0}
      />
    </main>
  );
}
