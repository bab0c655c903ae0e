import type { RepairStatus } from '../../api/types.ts';
import { formatDateTime } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Icon } from '../../parts/icon.tsx';

/** The one thing to know: whether everything has all its copies, and since when that has been seen. */
export function CopiesVerdict({ status }: { readonly status: RepairStatus }) {
  const { complete, verifiedAt, reasons, shortChunks } = status;
  const isLost = shortChunks.lost > 0;
  const look = complete ? 'good' : isLost ? 'bad' : 'waiting';
  return (
    <section class={`verdict verdict-${look}`} role="status">
      <span class="verdict-icon">
        <Icon name={complete ? 'check' : 'warning'} size={30} />
      </span>
      <div>
        <h2>{t(complete ? 'allCopies' : isLost ? 'chunksLost' : 'copiesMissing')}</h2>
        {complete && verifiedAt !== null && <p>{t('seenSince', { time: formatDateTime(verifiedAt) })}</p>}
        {reasons.length > 0 && (
          <ul>
            {reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}
