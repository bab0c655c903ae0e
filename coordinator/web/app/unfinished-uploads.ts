import { mayUpload } from '../api/session.ts';
import { t } from '../i18n/translate.ts';
import { leftUnfinished } from '../upload/activity.ts';
import { goTo, match } from './navigation.ts';
import { say } from './toasts.ts';

/** Says that something was being uploaded when the page was left. */
export function remindOfUploads(): void {
  const count = leftUnfinished();
  if (count === 0 || !mayUpload.peek() || match.peek()?.page === 'upload') return;
  say(t('unfinishedUploads', { count }), { action: { label: t('goOn'), run: () => goTo('upload') } });
}
