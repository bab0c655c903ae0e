import type { ComponentChildren } from 'preact';
import { mediaOf, posterOf } from '../api/media.ts';
import type { Video } from '../api/types.ts';
import { Link } from '../app/link.tsx';
import { pathOf } from '../app/paths.ts';
import { formatAgo, formatBytes, formatClock } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from './icon.tsx';
import { Picture } from './picture.tsx';

interface VideoCardProps {
  readonly video: Video;
  readonly children?: ComponentChildren;
}

export function VideoCard({ video, children }: VideoCardProps) {
  const { id, title, createdAt, size, visibility } = video;
  const media = mediaOf(video);
  return (
    <article class="video-card">
      <Link href={pathOf('watch', { id })} class="video-link">
        <span class="video-frame">
          <Picture name={title} source={posterOf(video)} shape="frame" />
          <span class="video-play" aria-hidden="true">
            <Icon name="play" size={26} />
          </span>
          {media.durationSeconds !== null && (
            <span class="video-length">{formatClock(media.durationSeconds)}</span>
          )}
          {visibility !== 'public' && (
            <span class="video-badge">
              <Icon name={visibility === 'private' ? 'lock' : 'link'} size={14} />
              {t(visibility)}
            </span>
          )}
        </span>
        <span class="video-title" dir="auto">
          {title}
        </span>
      </Link>
      <span class="video-facts">
        {formatAgo(createdAt)} · {formatBytes(size)}
      </span>
      {children}
    </article>
  );
}
