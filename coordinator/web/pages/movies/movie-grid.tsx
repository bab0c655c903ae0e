import { useEffect, useRef, useState } from 'preact/hooks';
import type { Movie } from '../../api/types.ts';
import { memo } from '../../parts/memo.ts';
import { MovieCard } from '../../parts/movie-card.tsx';

/** What is further away than this is not kept in the document, so that it does not grow with the scrolling. */
const NEAR = '2000px 0px';

/** Movies of one page of the list; only its height when it is far from what is seen. */
export const MovieGrid = memo(({ movies }: { readonly movies: readonly Movie[] }) => {
  const element = useRef<HTMLUListElement>(null);
  const [heightPx, setHeightPx] = useState<number>();
  useEffect(() => {
    const grid = element.current!;
    const observer = new IntersectionObserver(
      ([entry]) => setHeightPx(entry!.isIntersecting ? undefined : entry!.boundingClientRect.height),
      { rootMargin: NEAR },
    );
    observer.observe(grid);
    return () => observer.disconnect();
  }, []);
  const isFar = heightPx !== undefined && heightPx > 0;
  return (
    <ul class="movie-grid" ref={element} style={{ height: isFar ? `${heightPx}px` : 'auto' }}>
      {!isFar &&
        movies.map((movie) => (
          <li key={movie.id}>
            <MovieCard movie={movie} />
          </li>
        ))}
    </ul>
  );
});
