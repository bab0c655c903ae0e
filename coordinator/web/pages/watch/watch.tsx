import { useRef } from 'preact/hooks';
import { mediaOf, posterOf } from '../../api/media.ts';
import { isAdmin, user } from '../../api/session.ts';
import type { Attachment, Video } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { query } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { formatBytes, formatClock, formatDate } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Empty, Failed, Loading } from '../../parts/states.tsx';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';
import { Player } from '../../player/player.tsx';
import { positionOf } from '../../player/positions.ts';
import { MoreVideos } from './more-videos.tsx';
import { Preparing } from './preparing.tsx';
import { ShareButton } from './share.tsx';
import { isCaptions, isOnItsWay, useAttachments, useSources, useStoryboard, useVideo } from './use-video.ts';

export function WatchPage({ id = '' }: { readonly id?: string }) {
  const { value, error, reload } = useVideo(id);
  const video = value?.video;
  const attachments = useAttachments(id);
  const storyboard = useStoryboard(video);
  const atS = useRef(0);
  const { sources, isBetterThere, switchOver } = useSources(video, () => atS.current > 0);
  const startS = useResource(`start ${id}`, async () => startOf(id)).value;
  useTitle(video?.title);
  if (video === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  }
  if (sources === undefined || startS === undefined) return <Loading />;
  const media = mediaOf(video);
  const isUnplayable = media.status === 'unplayable' || media.status === 'failed';
  const captions = attachments.filter(isCaptions);
  return (
    <div class="watch">
      <div class="watch-main">
        {isUnplayable ? (
          <div class="player player-none">
            <Empty icon="warning" title={t('unplayable')} text={media.reason ?? t('playerUnplayable')}>
              {video.links.content !== null && (
                <a class="button button-plain" href={`${video.links.content}?download=1`} download>
                  {t('download')}
                </a>
              )}
            </Empty>
          </div>
        ) : (
          <Player
            videoId={id}
            title={video.title}
            sources={sources}
            poster={posterOf(video)}
            captions={captions}
            storyboard={storyboard}
            startS={atS.current > 0 ? atS.current : startS}
            onTime={(seconds) => {
              atS.current = seconds;
            }}
          />
        )}
        {isBetterThere && (
          <div class="notice preparing" role="status">
            <p>{t('qualitiesThere')}</p>
            <Button onClick={switchOver}>{t('switchNow')}</Button>
          </div>
        )}
        {!isBetterThere && isOnItsWay(media) && <Preparing media={media} job={value?.job ?? null} />}
        {startS > 0 && !query.value.has('t') && (
          <p class="watch-resumed">{t('resumedAt', { at: formatClock(startS) })}</p>
        )}
        <VideoText video={video} attachments={attachments} atS={() => atS.current} />
      </div>
      <MoreVideos except={id} />
    </div>
  );
}

/** The second that the address names, or where it was left. */
function startOf(id: string): number {
  const asked = Number(query.peek().get('t') ?? Number.NaN);
  return Number.isFinite(asked) && asked >= 0 ? asked : positionOf(id);
}

interface VideoTextProps {
  readonly video: Video;
  readonly attachments: readonly Attachment[];
  readonly atS: () => number;
}

function VideoText({ video, attachments, atS }: VideoTextProps) {
  const { id, title, description, createdAt, size, visibility, ownerId, links } = video;
  const isMine = isAdmin.value || (user.value !== null && user.value.id === ownerId);
  const documents = attachments.filter(({ kind }) => kind === 'document');
  return (
    <>
      <div class="watch-head">
        <h1 dir="auto">{title}</h1>
        <div class="watch-actions">
          <ShareButton video={video} atS={atS} />
          {links.content !== null && (
            <a class="button button-plain" href={`${links.content}?download=1`} download>
              <Icon name="file" size={18} />
              {t('download')}
            </a>
          )}
          {isMine && (
            <Link class="button button-plain" href={pathOf('libraryVideo', { id })}>
              <Icon name="edit" size={18} />
              {t('edit')}
            </Link>
          )}
        </div>
      </div>
      <p class="facts">
        <span>{formatDate(createdAt)}</span>
        <span>{formatBytes(size)}</span>
        {visibility !== 'public' && (
          <span class="fact-icon">
            <Icon name={visibility === 'private' ? 'lock' : 'link'} size={16} />
            {t(visibility)}
          </span>
        )}
      </p>
      {description !== '' && (
        <p class="watch-text" dir="auto">
          {description}
        </p>
      )}
      {documents.length > 0 && (
        <section class="documents" aria-label={t('documents')}>
          <h2>{t('documents')}</h2>
          <ul>
            {documents.map(({ name, label, size: bytes, links: { self } }) => (
              <li key={name}>
                <a href={self} target="_blank" rel="noopener">
                  <Icon name="file" />
                  <bdi>{label ?? name}</bdi>
                  <span class="quiet">{formatBytes(bytes)}</span>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
