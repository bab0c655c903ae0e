import type { Media } from '../../api/media.ts';
import { formatShare } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';

const NAMES: Readonly<Record<Media['status'], MessageName>> = {
  unknown: 'mediaUnknown',
  processing: 'mediaProcessing',
  playable: 'mediaPlayable',
  ready: 'mediaReady',
  unplayable: 'mediaUnplayable',
  failed: 'mediaFailed',
};

/** How far a video is; nothing when the server does not say. */
export function MediaState({ media: { status, progress, reason } }: { readonly media: Media }) {
  if (status === 'unknown') return null;
  const isUnderWay = status === 'processing' || status === 'playable';
  return (
    <span class={`state state-${status}`} title={reason ?? undefined}>
      {t(NAMES[status])}
      {isUnderWay && progress !== null && ` ${formatShare(progress)}`}
    </span>
  );
}
