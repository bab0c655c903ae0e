import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { isAdmin } from '../../api/session.ts';
import { Link } from '../../app/link.tsx';
import { changeQuery, navigate, query as parameters, place } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { SelectField } from '../../parts/field.tsx';
import { Icon } from '../../parts/icon.tsx';
import { LoadMore } from '../../parts/load-more.tsx';
import { Empty, Failed, Loading } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';
import { FacetPanel } from './facet-panel.tsx';
import { LatestVideos } from './latest-videos.tsx';
import { MovieGrid } from './movie-grid.tsx';
import { type MovieListing, openListing } from './movie-list.ts';
import { isNarrowed, type MovieQuery, readQuery, SORTS } from './movie-query.ts';

const SORT_NAMES: Readonly<Record<(typeof SORTS)[number], MessageName>> = {
  popularity: 'sortPopularity',
  score: 'sortScore',
  title: 'sortTitle',
  year: 'sortYear',
  newest: 'sortNewest',
};

/** The catalog: everything at first, then whatever is looked for, while it is typed. */
export function MoviesPage() {
  const search = parameters.value.toString();
  const query = useMemo(() => readQuery(new URLSearchParams(search)), [search]);
  const listing = useMemo(() => openListing(query, place.peek().how === 'history'), [query]);
  // What was found before stays until the new list has its first page.
  const shown = useSignal(listing);
  useEffect(() => {
    if (listing.nextCursor.peek() !== undefined) {
      shown.value = listing;
      return;
    }
    let isWanted = true;
    void listing.loadMore().then(() => {
      if (!isWanted) return;
      shown.value = listing;
      // Other movies than before, and so from their beginning.
      if (place.peek().how === 'link') scrollTo(0, 0);
    });
    return () => {
      isWanted = false;
      listing.abandon();
    };
  }, [listing]);
  useTitle(query.q === '' ? undefined : query.q);
  const narrowed = isNarrowed(query);
  return (
    <div class="movies">
      {!narrowed && <LatestVideos />}
      <div class="page-head">
        <h1>{query.q === '' ? t('movies') : t('resultsFor', { text: query.q })}</h1>
        <SortChoice query={query} />
        {isAdmin.value && (
          <Link class="button button-plain" href={pathOf('newMovie')}>
            <Icon name="plus" size={18} />
            {t('addMovie')}
          </Link>
        )}
      </div>
      <Narrowing query={query} />
      <div class="movies-body">
        <details class="facets-frame" open={matchMedia('(min-width: 60rem)').matches}>
          <summary>
            <Icon name="settings" size={18} /> {t('filters')}
          </summary>
          <FacetPanel query={query} facets={shown.value.facets.value} />
        </details>
        <section class="movies-found" aria-label={t('movies')} aria-busy={listing.isLoading.value}>
          <Found listing={shown.value} query={query} />
        </section>
      </div>
    </div>
  );
}

function Found({ listing, query }: { readonly listing: MovieListing; readonly query: MovieQuery }) {
  const pages = listing.pages.value;
  const next = listing.nextCursor.value;
  const error = listing.error.value;
  if (pages.length === 0 && error !== undefined) {
    return <Failed error={error} onRetry={() => void listing.loadMore()} />;
  }
  if (next === undefined) return <Loading />;
  if (pages.length === 0) return <NothingFound isNarrowed={isNarrowed(query)} />;
  return (
    <>
      {pages.map((movies) => (
        <MovieGrid key={movies[0]!.id} movies={movies} />
      ))}
      {error !== undefined ? (
        <Failed error={error} onRetry={() => void listing.loadMore()} />
      ) : (
        next !== null && (
          <LoadMore isLoading={listing.isLoading.value} onMore={() => void listing.loadMore()} />
        )
      )}
    </>
  );
}

function NothingFound({ isNarrowed }: { readonly isNarrowed: boolean }) {
  if (isNarrowed) {
    return (
      <Empty icon="search" title={t('nothingFound')} text={t('nothingFoundText')}>
        <Button onClick={() => navigate(pathOf('movies'))}>{t('showAll')}</Button>
      </Empty>
    );
  }
  return (
    <Empty icon="film" title={t('noMovies')} text={t('noMoviesText')}>
      {isAdmin.value && (
        <Link class="button button-main" href={pathOf('catalog')}>
          {t('importMovies')}
        </Link>
      )}
    </Empty>
  );
}

function SortChoice({ query }: { readonly query: MovieQuery }) {
  const first = t(query.q === '' ? 'sortPopularity' : 'sortRelevance');
  const rest = SORTS.filter((name) => query.q !== '' || name !== 'popularity');
  return (
    <SelectField
      label={t('sortBy')}
      isCompact
      value={query.sort}
      options={[['', first], ...rest.map((name) => [name, t(SORT_NAMES[name])] as const)]}
      onChoose={(sort) => changeQuery({ sort })}
    />
  );
}

/** What holds now that is not to be seen elsewhere, each to be taken away. */
function Narrowing({ query }: { readonly query: MovieQuery }) {
  const { director, yearFrom, yearTo } = query;
  if (director === '' && yearFrom === '' && yearTo === '') return null;
  return (
    <div class="narrowing">
      {director !== '' && (
        <Taken text={t('byDirector', { name: director })} onRemove={() => changeQuery({ director: '' })} />
      )}
      {(yearFrom !== '' || yearTo !== '') && (
        <Taken text={`${yearFrom}–${yearTo}`} onRemove={() => changeQuery({ yearFrom: '', yearTo: '' })} />
      )}
    </div>
  );
}

function Taken({ text, onRemove }: { readonly text: string; readonly onRemove: () => void }) {
  return (
    <button type="button" class="chip chip-taken" onClick={onRemove} aria-label={t('removeFilter', { text })}>
      <bdi>{text}</bdi>
      <Icon name="close" size={14} />
    </button>
  );
}
