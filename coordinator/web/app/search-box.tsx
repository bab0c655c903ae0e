import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { ask } from '../api/client.ts';
import type { Suggestion } from '../api/types.ts';
import { t } from '../i18n/translate.ts';
import { IconButton } from '../parts/button.tsx';
import { Icon } from '../parts/icon.tsx';
import { changeQuery, goTo, match, navigate, query } from './navigation.ts';
import { pathOf } from './paths.ts';

/** A pause so short is part of typing. */
const TYPING_MS = 90;
const SUGGESTIONS = 6;

/**
 * Looks for movies while one types: on the page of the movies, what is found changes with each letter; anywhere else
 * suggestions are shown, and Enter goes there.
 */
export function SearchBox() {
  const text = useSignal('');
  const suggestions = useSignal<readonly Suggestion[]>([]);
  const isOpen = useSignal(false);
  const chosen = useSignal(-1);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const asking = useRef<AbortController>(undefined);
  const listId = useId();

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
  const isShown = isOpen.value && suggestions.value.length > 0 && text.value.trim() !== '';
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Icon name="search" size={18} />
        <input
          ref={input}
          type="search"
          class="search-input"
          placeholder={t('searchHint')}
          aria-label={t('search')}
          // biome-ignore lint/a11y/noRedundantRoles: a search field without a datalist is none by itself
          role="combobox"
          list={undefined}
          aria-autocomplete="list"
          aria-expanded={isShown}
          aria-controls={listId}
          aria-activedescendant={chosen.value < 0 ? undefined : `${listId}-${chosen.value}`}
          autocomplete="off"
          enterkeyhint="search"
          dir="auto"
          maxLength={200}
          value={text.value}
          onInput={(event) => onInput(event.currentTarget.value)}
          onFocus={() => {
            isOpen.value = true;
          }}
          onBlur={close}
          onKeyDown={onKeyDown}
        />
        {text.value !== '' && (
          <IconButton
            icon="close"
            size={16}
            label={t('clearSearch')}
            onClick={() => {
              onInput('');
              input.current?.focus();
            }}
          />
        )}
      </form>
      <div id={listId} role="listbox" class="suggestions" aria-label={t('suggestions')} hidden={!isShown}>
        {isShown &&
          suggestions.value.map((suggestion, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
            <div
              key={`${suggestion.kind} ${suggestion.movieId ?? suggestion.text}`}
              id={`${listId}-${index}`}
              role="option"
              tabIndex={-1}
              class="suggestion"
              aria-selected={chosen.value === index}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => take(suggestion)}
            >
              <Icon name={suggestion.kind === 'movie' ? 'film' : 'user'} size={18} />
              <bdi>{suggestion.text}</bdi>
              {suggestion.year != null && <span class="suggestion-note">{suggestion.year}</span>}
              {suggestion.kind === 'director' && <span class="suggestion-note">{t('director')}</span>}
            </div>
          ))}
      </div>
    </search>
  );
}
