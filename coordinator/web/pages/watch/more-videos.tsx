import { ask } from '../../api/client.ts';
import type { Page, Video } from '../../api/types.ts';
import { t } from '../../i18n/translate.ts';
import { useResource } from '../../parts/use-resource.ts';
import { VideoCard } from '../../parts/video-card.tsx';

const SHOWN = 8;

export function MoreVideos({ except }: { readonly except: string }) {
  const { value } = useResource('more', (signal) =>
    ask<Page<Video>>('GET', '/videos', { query: { limit: SHOWN + 1 }, signal }),
  );
  const others = value?.items.filter(({ id }) => id !== except).slice(0, SHOWN) ?? [];
  if (others.length === 0) return null;
  return (
    <aside class="watch-more" aria-labelledby="more-title">
      <h2 id="more-title">{t('moreVideos')}</h2>
      <ul>
        {others.map((video) => (
          <li key={video.id}>
            <VideoCard video={video} />
          </li>
        ))}
      </ul>
    </aside>
  );
}
