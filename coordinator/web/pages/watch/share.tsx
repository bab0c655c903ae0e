import { useSignal } from '@preact/signals';
import type { Video } from '../../api/types.ts';
import { pathOf } from '../../app/paths.ts';
import { formatClock } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { CopyField } from '../../parts/copy-field.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { embedCode, watchLink } from './links.ts';

interface ShareProps {
  readonly video: Video;
  readonly atS: () => number;
}

export function ShareButton({ video, atS }: ShareProps) {
  const openAt = useSignal<number | undefined>(undefined);
  return (
    <>
      <Button
        icon="share"
        onClick={() => {
          openAt.value = Math.floor(atS());
        }}
      >
        {t('share')}
      </Button>
      {openAt.value !== undefined && (
        <ShareDialog
          video={video}
          atS={openAt.value}
          onClose={() => {
            openAt.value = undefined;
          }}
        />
      )}
    </>
  );
}

interface ShareDialogProps {
  readonly video: Video;
  readonly atS: number;
  readonly onClose: () => void;
}

function ShareDialog({ video, atS, onClose }: ShareDialogProps) {
  const isFromHere = useSignal(false);
  const startS = isFromHere.value ? atS : 0;
  const { id, title, visibility } = video;
  return (
    <Dialog title={t('share')} onClose={onClose}>
      <div class="form">
        <CopyField label={t('link')} value={watchLink(location.origin + pathOf('watch', { id }), startS)} />
        <label class="check">
          <input
            type="checkbox"
            checked={isFromHere.value}
            onChange={(event) => {
              isFromHere.value = event.currentTarget.checked;
            }}
          />
          {t('startAt', { at: formatClock(atS) })}
        </label>
        {visibility === 'private' ? (
          <p class="notice">{t('privateShare')}</p>
        ) : (
          <CopyField
            label={t('embedCode')}
            value={embedCode(watchLink(location.origin + pathOf('embed', { id }), startS), title)}
          />
        )}
      </div>
    </Dialog>
  );
}
