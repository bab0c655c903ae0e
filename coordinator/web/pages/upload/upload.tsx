import { useMemo } from 'preact/hooks';
import { mayUpload, user } from '../../api/session.ts';
import { t } from '../../i18n/translate.ts';
import { Empty } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';
import type { ChosenFile } from '../../upload/chosen-files.ts';
import { openQueue } from '../../upload/open-queue.ts';
import { DropZone } from './drop-zone.tsx';
import { UploadRow } from './upload-row.tsx';
import { UsageBar } from './usage-bar.tsx';

export function UploadPage() {
  useTitle(t('upload'));
  const who = user.value;
  if (who === null || !mayUpload.value) {
    return <Empty icon="upload" title={t('viewersCannotUpload')} text={t('viewersCannotUploadText')} />;
  }
  return <Uploads userId={who.id} />;
}

function Uploads({ userId }: { readonly userId: string }) {
  const queue = useMemo(() => openQueue(userId), [userId]);
  const entries = queue.entries.value;
  const add = (files: readonly ChosenFile[]) => void queue.add(files);
  return (
    <div class="uploads">
      <h1>{t('upload')}</h1>
      <DropZone isSmall={entries.length > 0} onFiles={add} />
      <UsageBar />
      {entries.length > 0 && (
        <ul class="upload-list" aria-label={t('uploads')}>
          {entries.toReversed().map((entry) => (
            <UploadRow key={entry.id} entry={entry} queue={queue} />
          ))}
        </ul>
      )}
    </div>
  );
}
