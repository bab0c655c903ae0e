import { useSignal } from '@preact/signals';
import { ask, askVersioned } from '../../api/client.ts';
import { isAdmin } from '../../api/session.ts';
import type { Movie } from '../../api/types.ts';
import { Link } from '../../app/link.tsx';
import { navigate } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { say } from '../../app/toasts.ts';
import { formatDuration } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Score } from '../../parts/movie-card.tsx';
import { Picture } from '../../parts/picture.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useResource } from '../../parts/use-resource.ts';
import { useTitle } from '../../parts/use-title.ts';
import { forgetListings } from './movie-list.ts';

export function MoviePage({ id = '' }: { readonly id?: string }) {
  const { value, error, reload } = useResource(`movie ${id}`, (signal) =>
    askVersioned<Movie>('GET', `/movies/${id}`, { signal, isFresh: isAdmin.peek() }),
  );
  useTitle(value?.value.title);
  if (value === undefined) {
    return error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />;
  }
  const movie = value.value;
  const { title, originalTitle, year, runtimeMinutes, score, poster, synopsis, videoId } = movie;
  return (
    <article class="movie">
      <div class="movie-poster">
        <Picture name={`${title} ${year ?? ''}`} source={poster} shape="poster" caption={title} />
      </div>
      <div class="movie-text">
        <h1 dir="auto">{title}</h1>
        {originalTitle !== null && originalTitle !== title && (
          <p class="movie-original" dir="auto">
            {originalTitle}
          </p>
        )}
        <p class="facts">
          {year !== null && <Link href={`/?yearFrom=${year}&yearTo=${year}`}>{year}</Link>}
          {runtimeMinutes !== null && <span>{formatDuration(runtimeMinutes * 60)}</span>}
          {score !== null && <Score score={score} />}
        </p>
        {movie.genres.length > 0 && (
          <ul class="chips" aria-label={t('genres')}>
            {movie.genres.map((name) => (
              <li key={name}>
                <Link class="chip" href={`/?genre=${encodeURIComponent(name)}`}>
                  <bdi>{name}</bdi>
                </Link>
              </li>
            ))}
          </ul>
        )}
        {movie.directors.length > 0 && (
          <p class="movie-directors">
            <span class="quiet">{t('directedBy')} </span>
            {movie.directors.map((name, index) => (
              <span key={name}>
                {index > 0 && ', '}
                <Link href={`/?director=${encodeURIComponent(name)}`}>
                  <bdi>{name}</bdi>
                </Link>
              </span>
            ))}
          </p>
        )}
        {synopsis !== null && (
          <p class="movie-synopsis" dir="auto">
            {synopsis}
          </p>
        )}
        <div class="movie-actions">
          {videoId === null ? (
            <p class="quiet">{t('noVideoOfMovie')}</p>
          ) : (
            <Link class="button button-main button-large" href={pathOf('watch', { id: videoId })}>
              <Icon name="play" />
              {t('watch')}
            </Link>
          )}
          {isAdmin.value && <AdminActions movie={movie} etag={value.etag} />}
        </div>
      </div>
    </article>
  );
}

function AdminActions({ movie, etag }: { readonly movie: Movie; readonly etag: string | undefined }) {
  const isAsking = useSignal(false);
  const { isBusy, run } = useAction();
  const remove = () =>
    run(async () => {
      const headers = etag === undefined ? {} : { 'if-match': etag };
      await ask('DELETE', `/movies/${movie.id}`, { headers });
      forgetListings();
      say(t('movieDeleted', { title: movie.title }), { kind: 'good' });
      navigate('/');
    });
  return (
    <>
      <Link class="button button-plain" href={pathOf('editMovie', { id: movie.id })}>
        <Icon name="edit" size={18} />
        {t('edit')}
      </Link>
      <Button
        look="quiet"
        icon="trash"
        onClick={() => {
          isAsking.value = true;
        }}
      >
        {t('delete')}
      </Button>
      {isAsking.value && (
        <Confirm
          title={t('deleteMovie')}
          text={<p>{t('deleteMovieText', { title: movie.title })}</p>}
          action={t('delete')}
          isDanger
          isBusy={isBusy}
          onConfirm={() => void remove()}
          onClose={() => {
            isAsking.value = false;
          }}
        />
      )}
    </>
  );
}
