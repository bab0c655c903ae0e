import { usePagedList } from '../../api/paged.ts';
import { mayUpload } from '../../api/session.ts';
import type { Video } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { t } from '../../i18n/translate.ts';
import { Listing } from '../../parts/listing.tsx';
import { Empty } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';
import { VideoCard } from '../../parts/video-card.tsx';

export function VideosPage() {
  const list = usePagedList<Video>('/videos', { limit: 36 });
  useTitle(t('videos'));
  return (
    <>
      <div class="page-head">
        <h1>{t('videos')}</h1>
      </div>
      <Listing list={list} empty={<NoVideos />}>
        {(items) => (
          <ul class="video-grid">
            {items.map((video) => (
              <li key={video.id}>
                <VideoCard video={video} />
              </li>
            ))}
          </ul>
        )}
      </Listing>
    </>
  );
}

function NoVideos() {
  return (
    <Empty icon="play" title={t('noVideos')} text={t('noVideosText')}>
      {mayUpload.value && (
        <Link class="button button-main" href={pathOf('upload')}>
          {t('upload')}
        </Link>
      )}
    </Empty>
  );
}
