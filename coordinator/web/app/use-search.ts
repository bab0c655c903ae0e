import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ask } from '../api/client.ts';
import type { Suggestion } from '../api/types.ts';
import { changeQuery, goTo, match, navigate, query } from './navigation.ts';
import { pathOf } from './paths.ts';

/** A pause so short is part of typing. */
const TYPING_MS = 90;
const SUGGESTIONS = 6;

export interface Search {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly text: Signal<string>;
  readonly suggestions: Signal<readonly Suggestion[]>;
  readonly isOpen: Signal<boolean>;
  /** Which of the suggestions; -1 for none. */
  readonly chosen: Signal<number>;
  readonly onInput: (wanted: string) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly submit: () => void;
  readonly take: (suggestion: Suggestion) => void;
  readonly close: () => void;
}

/**
 * Looks for movies while one types: on the page of the movies, what is found changes with each letter; anywhere else
 * suggestions are shown, and Enter goes there.
 */
export function useSearch(): Search {
  const text = useSignal('');
  const suggestions = useSignal<readonly Suggestion[]>([]);
  const isOpen = useSignal(false);
  const chosen = useSignal(-1);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const asking = useRef<AbortController>(undefined);

  // The address says what is looked for, also when the browser's buttons changed it.
  useSignalEffect(() => {
    const wanted = match.value?.page === 'movies' ? (query.value.get('q') ?? '') : '';
    if (document.activeElement !== input.current || wanted === '') text.value = wanted;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = (event.target as HTMLElement).closest('input, textarea, select, [contenteditable]');
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  const search = (wanted: string, isStep: boolean) => {
    const isHere = match.peek()?.page === 'movies';
    if (isHere) changeQuery({ q: wanted }, { replace: !isStep });
    else if (isStep) navigate(`${pathOf('movies')}?q=${encodeURIComponent(wanted)}`);
  };
  const suggest = async (wanted: string) => {
    asking.current?.abort();
    asking.current = new AbortController();
    const { signal } = asking.current;
    if (wanted.trim() === '') {
      suggestions.value = [];
      return;
    }
    try {
      const query = { q: wanted, limit: SUGGESTIONS };
      const { items } = await ask<{ items: Suggestion[] }>('GET', '/movies/suggest', { query, signal });
      if (!signal.aborted) suggestions.value = items;
    } catch {
      // There are none now; the search itself says what is the matter.
      if (!signal.aborted) suggestions.value = [];
    }
  };
  const onInput = (wanted: string) => {
    text.value = wanted;
    chosen.value = -1;
    isOpen.value = true;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      // The first letter is a step back to what was there before.
      const isFirst = match.peek()?.page === 'movies' && !query.peek().get('q') && wanted !== '';
      search(wanted, isFirst);
      void suggest(wanted);
    }, TYPING_MS);
  };
  const close = () => {
    isOpen.value = false;
    chosen.value = -1;
  };
  const take = ({ kind, text: name, movieId }: Suggestion) => {
    close();
    input.current?.blur();
    if (kind === 'movie' && movieId !== undefined) goTo('movie', { id: movieId });
    else navigate(`${pathOf('movies')}?director=${encodeURIComponent(name)}`);
  };
  const submit = () => {
    clearTimeout(timer.current);
    const suggestion = suggestions.value[chosen.value];
    if (isOpen.value && suggestion !== undefined) {
      take(suggestion);
      return;
    }
    close();
    const isShown = match.peek()?.page === 'movies' && (query.peek().get('q') ?? '') === text.value;
    if (!isShown) search(text.value, true);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const count = suggestions.value.length;
    if (event.key === 'Escape') close();
    else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && count > 0) {
      event.preventDefault();
      isOpen.value = true;
      const step = event.key === 'ArrowDown' ? 1 : -1;
      chosen.value = ((chosen.value + 1 + step + count + 1) % (count + 1)) - 1;
    }
  };
  return { input, text, suggestions, isOpen, chosen, onInput, onKeyDown, submit, take, close };
}
