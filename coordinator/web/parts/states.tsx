import type { ComponentChildren } from 'preact';
import { Problem } from '../api/problem.ts';
import { explain } from '../i18n/explain.ts';
import { t } from '../i18n/translate.ts';
import { Button } from './button.tsx';
import { Icon, type IconName } from './icon.tsx';
import { Spinner } from './spinner.tsx';

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  readonly text?: string | undefined;
  readonly children?: ComponentChildren;
}

/** In place of what is not there. */
export function Empty({ icon, title, text, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={30} />
      </span>
      <h2>{title}</h2>
      {text !== undefined && <p>{text}</p>}
      {children}
    </div>
  );
}

/** In place of what could not be had. */
export function Failed({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }) {
  const isGone = error instanceof Problem && error.status === 404;
  return (
    <div role="alert">
      <Empty
        icon={isGone ? 'search' : 'warning'}
        title={t(isGone ? 'notThere' : 'wentWrong')}
        text={isGone ? t('notThereText') : explain(error)}
      >
        {!isGone && onRetry !== undefined && <Button onClick={onRetry}>{t('tryAgain')}</Button>}
      </Empty>
    </div>
  );
}

export function Loading() {
  return (
    <div class="loading" role="status">
      <Spinner />
      <span class="for-readers">{t('loading')}</span>
    </div>
  );
}
