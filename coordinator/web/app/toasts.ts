import { signal } from '@preact/signals';
import { isAbort } from '../api/client.ts';
import { explain } from '../i18n/explain.ts';

export interface Toast {
  readonly id: number;
  readonly kind: 'good' | 'bad' | 'plain';
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

const SHOWN_MAX = 4;
const SHOWN_MS = 6000;
/** Errors want to be read. */
const ERROR_SHOWN_MS = 12_000;

export const toasts = signal<readonly Toast[]>([]);
let lastId = 0;

/** Says something at the edge of the page for a while; the returned function takes it back. */
export function say(
  text: string,
  options: { kind?: Toast['kind']; action?: Toast['action']; shownMs?: number } = {},
): () => void {
  const { kind = 'plain', action } = options;
  const toast: Toast = { id: ++lastId, kind, text, action };
  const others = toasts.value.filter((other) => other.text !== text);
  toasts.value = [...others, toast].slice(-SHOWN_MAX);
  const end = () => dismiss(toast.id);
  const timer = setTimeout(end, options.shownMs ?? (kind === 'bad' ? ERROR_SHOWN_MS : SHOWN_MS));
  return () => {
    clearTimeout(timer);
    end();
  };
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Says in plain words what went wrong; nothing when it was given up on purpose. */
export function sayProblem(error: unknown): void {
  if (!isAbort(error)) say(explain(error), { kind: 'bad' });
}
