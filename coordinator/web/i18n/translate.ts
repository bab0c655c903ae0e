import { signal } from '@preact/signals';
import { MESSAGES, type MessageName } from './messages.ts';

export type { MessageName } from './messages.ts';

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

type Values = Readonly<Record<string, string | number>>;

const KEPT_AS = 'orbitvids.language';

/** What the page speaks. Whatever reads it while it renders is rendered again when it changes. */
export const language = signal<Language>('en');

export function isLanguage(text: string | null): text is Language {
  return text !== null && Object.hasOwn(LANGUAGES, text);
}

/** The one that was chosen before, or the first of the browser's that there is. */
export function startLanguage(): void {
  const kept = localStorage.getItem(KEPT_AS);
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  apply(isLanguage(kept) ? kept : (wanted.find(isLanguage) ?? 'en'));
}

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(KEPT_AS, chosen);
  apply(chosen);
}

function apply(chosen: Language): void {
  language.value = chosen;
  document.documentElement.lang = chosen;
}

/** A message in the page's language, with the values put in where it has their names in braces. */
export function t(name: MessageName, values: Values = {}): string {
  return fill(MESSAGES[name][language.value === 'en' ? 0 : 1], values, language.value);
}

/**
 * `{count} film|{count} films` becomes what the language says for that count; both languages have one form for one and
 * another one for the rest.
 */
export function fill(message: string, values: Values, locale: Language): string {
  const forms = message.split('|');
  const count = values.count;
  const isOne = typeof count === 'number' && new Intl.PluralRules(locale).select(count) === 'one';
  const form = forms.length === 1 || isOne ? forms[0]! : forms[1]!;
  return form.replaceAll(/\{(\w+)\}/g, (whole, key: string) => {
    const value = values[key];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value;
  });
}
