import { t } from '../i18n/translate.ts';
import { IconButton } from '../parts/button.tsx';
import { Icon } from '../parts/icon.tsx';
import { dismiss, type Toast, toasts } from './toasts.ts';

const ICONS = { good: 'check', bad: 'warning', plain: 'bell' } as const;

/** What the page has to say, told to screen readers as well. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <ToastNote key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ToastNote({ toast: { id, kind, text, action } }: { readonly toast: Toast }) {
  return (
    <div class={`toast toast-${kind}`}>
      <Icon name={ICONS[kind]} />
      <p dir="auto">{text}</p>
      {action !== undefined && (
        <button
          type="button"
          class="button button-quiet"
          onClick={() => {
            dismiss(id);
            action.run();
          }}
        >
          {action.label}
        </button>
      )}
      <IconButton icon="close" size={16} label={t('close')} onClick={() => dismiss(id)} />
    </div>
  );
}
