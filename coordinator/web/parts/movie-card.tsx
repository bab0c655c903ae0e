import type { Movie } from '../api/types.ts';
import { Link } from '../app/link.tsx';
import { pathOf } from '../app/paths.ts';
import { formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from './icon.tsx';
import { Picture } from './picture.tsx';

export function MovieCard({ movie }: { readonly movie: Movie }) {
  const { id, title, year, score, poster, videoId } = movie;
  return (
    <Link class="movie-card" href={pathOf('movie', { id })}>
      <Picture name={`${title} ${year ?? ''}`} source={poster} shape="poster" caption={title} />
      {videoId !== null && (
        <span class="movie-playable" title={t('playable')}>
          <Icon name="play" size={16} />
        </span>
      )}
      <span class="movie-title" dir="auto">
        {title}
      </span>
      <span class="movie-facts">
        {year !== null && <span>{year}</span>}
        {score !== null && <Score score={score} />}
      </span>
    </Link>
  );
}

/** 0 to 10, with a star. */
export function Score({ score }: { readonly score: number }) {
  const text = formatNumber(score, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return (
    <span class="score">
      <span aria-hidden="true">★ </span>
      <span class="for-readers">{t('score')} </span>
      {text}
    </span>
  );
}
