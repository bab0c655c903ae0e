import { signal } from '@preact/signals';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEPT_AS = 'orbitvids.theme';

export const theme = signal<Theme>('system');

export function startTheme(): void {
  const kept = localStorage.getItem(KEPT_AS);
  const known = THEMES.find((name) => name === kept);
  if (known !== undefined) applyTheme(known);
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEPT_AS, chosen);
  applyTheme(chosen);
}

function applyTheme(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
