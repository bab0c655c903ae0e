import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Button } from './button.tsx';

const SAID_MS = 2000;

/** A line to be copied, with a button that does so. */
export function CopyField({ label, value }: { readonly label: string; readonly value: string }) {
  const id = useId();
  const isCopied = useSignal(false);
  const copy = async () => {
    await copyText(value, document.getElementById(id) as HTMLInputElement);
    isCopied.value = true;
    setTimeout(() => {
      isCopied.value = false;
    }, SAID_MS);
  };
  return (
    <div class="field">
      <label for={id} class="label">
        {label}
      </label>
      <div class="copy-row">
        <input
          id={id}
          class="input"
          readOnly
          value={value}
          onFocus={(event) => event.currentTarget.select()}
        />
        <Button icon={isCopied.value ? 'check' : 'link'} onClick={() => void copy()}>
          {t(isCopied.value ? 'copied' : 'copy')}
        </Button>
      </div>
    </div>
  );
}

/** Pages that came over plain http from another machine have no clipboard but this old one. */
export async function copyText(text: string, source: HTMLInputElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    source.focus();
    source.select();
    document.execCommand('copy');
  }
}
