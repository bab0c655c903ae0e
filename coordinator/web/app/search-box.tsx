import { useId } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { IconButton } from '../parts/button.tsx';
import { Icon } from '../parts/icon.tsx';
import { type Search, useSearch } from './use-search.ts';

/** The field at the top of every page, and what it suggests. */
export function SearchBox() {
  const search = useSearch();
  const { input, text, chosen, suggestions, isOpen, onInput, onKeyDown, submit, close } = search;
  const listId = useId();
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
      <Suggestions listId={listId} isShown={isShown} search={search} />
    </search>
  );
}

interface SuggestionsProps {
  readonly listId: string;
  readonly isShown: boolean;
  readonly search: Search;
}

function Suggestions({ listId, isShown, search: { suggestions, chosen, take } }: SuggestionsProps) {
  return (
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
  );
}
