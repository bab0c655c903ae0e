import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import type { PlaybackUrl, Video } from '../../api/types.ts';
import { goTo } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { sayProblem } from '../../app/toasts.ts';
import { formatDateTime } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { CopyField } from '../../parts/copy-field.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Menu, MenuItem } from '../../parts/menu.tsx';
import { embedCode } from '../watch/links.ts';

interface VideoMenuProps {
  readonly video: Video;
  readonly onDelete: () => void;
}

export function VideoMenu({ video, onDelete }: VideoMenuProps) {
  const shown = useSignal<'links' | undefined>(undefined);
  return (
    <>
      <Menu label={t('moreFor', { title: video.title })} face={<Icon name="more" />}>
        {(close) => (
          <>
            <MenuItem
              onChoose={() => {
                close();
                goTo('libraryVideo', { id: video.id });
              }}
            >
              <Icon name="edit" size={18} /> {t('edit')}
            </MenuItem>
            <MenuItem
              onChoose={() => {
                close();
                shown.value = 'links';
              }}
            >
              <Icon name="link" size={18} /> {t('links')}
            </MenuItem>
            <MenuItem
              isDanger
              onChoose={() => {
                close();
                onDelete();
              }}
            >
              <Icon name="trash" size={18} /> {t('delete')}
            </MenuItem>
          </>
        )}
      </Menu>
      {shown.value === 'links' && (
        <LinksDialog
          video={video}
          onClose={() => {
            shown.value = undefined;
          }}
        />
      )}
    </>
  );
}

interface LinksDialogProps {
  readonly video: Video;
  readonly onClose: () => void;
}

/** Everything that can be given to others. */
export function LinksDialog({ video: { id, title, visibility }, onClose }: LinksDialogProps) {
  const signed = useSignal<PlaybackUrl | undefined>(undefined);
  const sign = async () => {
    try {
      signed.value = await ask<PlaybackUrl>('POST', `/videos/${id}/playback-url`, { json: {} });
    } catch (error) {
      sayProblem(error);
    }
  };
  return (
    <Dialog title={t('links')} onClose={onClose}>
      <div class="form">
        <CopyField label={t('link')} value={location.origin + pathOf('watch', { id })} />
        {visibility !== 'private' && (
          <CopyField
            label={t('embedCode')}
            value={embedCode(location.origin + pathOf('embed', { id }), title)}
          />
        )}
        {signed.value === undefined ? (
          <div class="signed-link">
            <p>{t('signedLinkText')}</p>
            <button type="button" class="button button-plain" onClick={() => void sign()}>
              <Icon name="key" size={18} />
              {t('makeSignedLink')}
            </button>
          </div>
        ) : (
          <>
            <CopyField
              label={t('signedLink')}
              // Of a video whose file was not kept, its playlist.
              value={new URL(signed.value.url ?? signed.value.hls ?? '', location.href).href}
            />
            <p class="quiet">{t('validUntil', { time: formatDateTime(signed.value.expiresAt) })}</p>
          </>
        )}
      </div>
    </Dialog>
  );
}
