import { computed, signal } from '@preact/signals';
import { matchPage, type PageName, pathOf } from './paths.ts';

interface Place {
  readonly path: string;
  readonly query: string;
  /** Names this entry of the history, so that what was seen there can be shown again. */
  readonly key: string;
  /** How the page came here. */
  readonly how: 'link' | 'history' | 'start';
}

/** How many places' scroll positions are remembered. */
const SCROLLS_MAX = 50;
const scrolls = new Map<string, number>();

export const place = signal<Place>(current('start'));
export const match = computed(() => matchPage(place.value.path));
export const query = computed(() => new URLSearchParams(place.value.query));

/** Takes over what the browser's buttons do, and where it scrolls. */
export function startNavigation(): void {
  history.scrollRestoration = 'manual';
  if (readKey() === undefined) history.replaceState({ key: newKey() }, '');
  place.value = current('start');
  addEventListener('popstate', () => {
    place.value = current('history');
  });
  addEventListener('scroll', () => rememberScroll(), { passive: true });
}

export interface NavigateOptions {
  /** In place of the entry that is there: for what is no step of its own, such as each letter of a search. */
  readonly replace?: boolean;
}

/** Goes to an address of this page. */
export function navigate(address: string, { replace = false }: NavigateOptions = {}): void {
  const state = { key: replace ? (readKey() ?? newKey()) : newKey() };
  if (replace) history.replaceState(state, '', address);
  else history.pushState(state, '', address);
  place.value = current('link');
}

export function goTo(page: PageName, params: Readonly<Record<string, string>> = {}, search = ''): void {
  navigate(pathOf(page, params) + search);
}

/** Changes the query and nothing else; empty values leave it. */
export function changeQuery(
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
  options: NavigateOptions = {},
): void {
  const parameters = new URLSearchParams(place.peek().query);
  for (const [name, value] of Object.entries(changes)) {
    parameters.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one) parameters.append(name, one);
  }
  const text = parameters.toString();
  navigate(place.peek().path + (text === '' ? '' : `?${text}`), options);
}

/** Where the page stood when it was here; 0 for a place that is new. */
export function scrollOf(key: string): number {
  return scrolls.get(key) ?? 0;
}

function rememberScroll(): void {
  const { key } = place.peek();
  scrolls.delete(key);
  scrolls.set(key, scrollY);
  const oldest = scrolls.keys().next().value;
  if (scrolls.size > SCROLLS_MAX && oldest !== undefined) scrolls.delete(oldest);
}

function current(how: Place['how']): Place {
  // There is none in tests of what merely names places.
  if (typeof location === 'undefined') return { path: '/', query: '', key: '', how };
  return { path: location.pathname, query: location.search.slice(1), key: readKey() ?? '', how };
}

function readKey(): string | undefined {
  const state = history.state as { key?: unknown } | null;
  return typeof state?.key === 'string' ? state.key : undefined;
}

function newKey(): string {
  return Math.random().toString(36).slice(2, 10);
}
