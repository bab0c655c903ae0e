import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { follow } from '../../api/live-videos.ts';
import { mediaOf, posterOf } from '../../api/media.ts';
import { type PagedList, usePagedList } from '../../api/paged.ts';
import { mayUpload } from '../../api/session.ts';
import type { Video } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { pathOf } from '../../app/paths.ts';
import { formatAgo, formatBytes } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Icon } from '../../parts/icon.tsx';
import { Listing } from '../../parts/listing.tsx';
import { Picture } from '../../parts/picture.tsx';
import { Empty } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';
import { UsageBar } from '../upload/usage-bar.tsx';
import { isOnItsWay } from '../watch/use-video.ts';
import { deleted, deleteLater } from './deletions.ts';
import { MediaState } from './media-state.tsx';
import { VideoMenu } from './video-menu.tsx';

/** How often videos that are being prepared are asked about while the server does not tell by itself. */
const REFRESH_MS = 6000;
/** What has come to be at once is asked for once. */
const GATHER_MS = 300;

export function LibraryPage() {
  const list = usePagedList<Video>('/videos', { owner: 'me', limit: 30 });
  useTitle(t('library'));
  useRefresh(list);
  return (
    <>
      <div class="page-head">
        <h1>{t('library')}</h1>
        {mayUpload.value && (
          <Link class="button button-main" href={pathOf('upload')}>
            <Icon name="upload" size={18} />
            {t('upload')}
          </Link>
        )}
      </div>
      <UsageBar />
      <Listing list={list} empty={<NothingYet />}>
        {(videos) => (
          <ul class="rows">
            {videos
              .filter(({ id }) => !deleted.value.has(id))
              .map((video) => (
                <LibraryRow key={video.id} video={video} list={list} />
              ))}
          </ul>
        )}
      </Listing>
    </>
  );
}

function NothingYet() {
  return mayUpload.value ? (
    <Empty icon="library" title={t('libraryEmpty')} text={t('libraryEmptyText')}>
      <Link class="button button-main" href={pathOf('upload')}>
        {t('upload')}
      </Link>
    </Empty>
  ) : (
    <Empty icon="library" title={t('libraryEmpty')} text={t('viewersCannotUploadText')} />
  );
}

interface RowProps {
  readonly video: Video;
  readonly list: PagedList<Video>;
}

function LibraryRow({ video, list }: RowProps) {
  const { id, title, createdAt, size, visibility } = video;
  const media = mediaOf(video);
  return (
    <li class="row">
      <Link class="row-picture" href={pathOf('watch', { id })} aria-label={t('watchNamed', { title })}>
        <Picture name={title} source={posterOf(video)} shape="frame" />
      </Link>
      <div class="row-text">
        <Link class="row-title" href={pathOf('libraryVideo', { id })} dir="auto">
          {title}
        </Link>
        <p class="facts">
          <span class="fact-icon">
            <Icon
              name={visibility === 'public' ? 'globe' : visibility === 'private' ? 'lock' : 'link'}
              size={16}
            />
            {t(visibility)}
          </span>
          <span>{formatAgo(createdAt)}</span>
          <span>{formatBytes(size)}</span>
          <MediaState media={media} />
        </p>
      </div>
      <VideoMenu video={video} onDelete={() => deleteLater(video, () => list.remove(id))} />
    </li>
  );
}

/** Keeps the list as it is on the server, whichever tab or machine changes it. */
function useRefresh(list: PagedList<Video>): void {
  const isDue = useSignal(false);
  isDue.value = list.items.value.some((video) => isOnItsWay(mediaOf(video)));
  useEffect(() => {
    let isTold = false;
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(gathering);
      gathering = setTimeout(() => void list.refresh().catch(() => {}), GATHER_MS);
    };
    const stop = follow(null, {
      onVideo: ({ video }) => {
        if (list.items.peek().some(({ id }) => id === video.id)) list.replace(video);
        else refresh();
      },
      onGone: (id) => list.remove(id),
      onState: (isConnected) => {
        isTold = isConnected;
        if (isConnected) refresh();
      },
    });
    const timer = setInterval(() => {
      if (isDue.peek() && !isTold && document.visibilityState === 'visible') refresh();
    }, REFRESH_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(gathering);
      stop();
    };
  }, [list]);
}
