import type { LiveJob } from '../../api/live-videos.ts';
import type { Media } from '../../api/media.ts';
import { formatShare } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Icon } from '../../parts/icon.tsx';
import { Progress } from '../../parts/progress.tsx';

interface PreparingProps {
  readonly media: Media;
  /** Null as long as nobody has said how far each quality is. */
  readonly job: LiveJob | null;
}

/** Says that better is coming, and how far it is. */
export function Preparing({ media: { progress, status }, job }: PreparingProps) {
  const rungs = (job?.renditions ?? []).filter(({ kind }) => kind === 'video');
  return (
    <div class="notice preparing">
      <Icon name="gear" />
      <div>
        <p role="status">{t(status === 'playable' ? 'betterQualitiesComing' : 'preparing')}</p>
        <Progress share={progress} label={t('preparing')} tone="waiting" />
        <ul class="rungs" aria-label={t('qualities')}>
          <li>{formatShare(progress ?? 0)}</li>
          {rungs.map(({ name, progress: share, isPublished }) => (
            <li key={name} class={isPublished ? 'rung rung-done' : 'rung'}>
              {isPublished && <Icon name="check" size={14} />}
              {name}
              {!isPublished && <span class="quiet">{formatShare(share)}</span>}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
