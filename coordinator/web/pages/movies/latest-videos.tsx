import { ask } from '../../api/client.ts';
import type { Page, Video } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { t } from '../../i18n/translate.ts';
import { Icon } from '../../parts/icon.tsx';
import { useResource } from '../../parts/use-resource.ts';
import { VideoCard } from '../../parts/video-card.tsx';

const SHOWN = 8;

/** What was uploaded last, in a row. Nothing when there is nothing. */
export function LatestVideos() {
  const { value } = useResource('latest', (signal) =>
    ask<Page<Video>>('GET', '/videos', { query: { limit: SHOWN }, signal }),
  );
  if (value === undefined || value.items.length === 0) return null;
  return (
    <section class="latest" aria-labelledby="latest-title">
      <div class="page-head">
        <h2 id="latest-title">{t('latestVideos')}</h2>
        <Link class="more-link" href={pathOf('videos')}>
          {t('showAll')} <Icon name="chevron" size={16} />
        </Link>
      </div>
      <ul class="video-row">
        {value.items.map((video) => (
          <li key={video.id}>
            <VideoCard video={video} />
          </li>
        ))}
      </ul>
    </section>
  );
}
