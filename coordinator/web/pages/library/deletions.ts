import { signal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { refreshMe } from '../../api/session.ts';
import type { Video } from '../../api/types.ts';
import { say, sayProblem } from '../../app/toasts.ts';
import { t } from '../../i18n/translate.ts';

/** How long a deletion can be taken back. Until then nothing has been deleted. */
const UNDO_MS = 8000;

/** Videos that are not to be seen any more. */
export const deleted = signal<ReadonlySet<string>>(new Set());
const waiting = new Map<string, () => void>();

/** Deletes the video after a while, unless it is taken back; whoever leaves the page means it. */
export function deleteLater({ id, title }: Video, onDeleted: () => void): void {
  deleted.value = new Set([...deleted.value, id]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hide = (isHidden: boolean) => {
    const rest = [...deleted.value].filter((one) => one !== id);
    deleted.value = new Set(isHidden ? [...rest, id] : rest);
  };
  const doIt = async () => {
    clearTimeout(timer);
    waiting.delete(id);
    takeBack();
    try {
      await ask('DELETE', `/videos/${id}`);
      onDeleted();
      await refreshMe();
    } catch (error) {
      hide(false);
      sayProblem(error);
    }
  };
  const undo = () => {
    clearTimeout(timer);
    waiting.delete(id);
    hide(false);
  };
  const takeBack = say(t('videoDeleted', { title }), {
    action: { label: t('undo'), run: undo },
    shownMs: UNDO_MS,
  });
  timer = setTimeout(() => void doIt(), UNDO_MS);
  waiting.set(id, () => void fetch(`/api/v1/videos/${id}`, { method: 'DELETE', keepalive: true }));
}

addEventListener('pagehide', () => {
  for (const doNow of waiting.values()) doNow();
  waiting.clear();
});
