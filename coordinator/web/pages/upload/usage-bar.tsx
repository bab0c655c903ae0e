import { usage } from '../../api/session.ts';
import { formatBytes } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Progress } from '../../parts/progress.tsx';

/** How much of what one may store is stored; nothing when there is no limit. */
export function UsageBar() {
  const used = usage.value;
  if (used === null || used.bytesMax === null) return null;
  const bytes = used.bytes + used.reservedBytes;
  const text = t('usageOf', { used: formatBytes(bytes), max: formatBytes(used.bytesMax) });
  return (
    <div class="usage">
      <p>{text}</p>
      <Progress share={bytes / Math.max(1, used.bytesMax)} label={t('usage')} />
    </div>
  );
}
