import type { Media } from '../../api/media.ts';
import { formatShare } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Icon } from '../../parts/icon.tsx';
import { Progress } from '../../parts/progress.tsx';

/** Says that better is coming, and how far it is. */
export function Preparing({ media: { progress, status } }: { readonly media: Media }) {
  return (
    <div class="notice preparing" role="status">
      <Icon name="gear" />
      <div>
        <p>
          {t(status === 'playable' ? 'betterQualitiesComing' : 'preparing')}
          {progress !== null && ` ${formatShare(progress)}`}
        </p>
        <Progress share={progress} label={t('preparing')} tone="waiting" />
      </div>
    </div>
  );
}
