import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Button } from './button.tsx';
import { Loading } from './states.tsx';

interface LoadMoreProps {
  readonly isLoading: boolean;
  readonly onMore: () => void;
}

/** At the end of a list: asks for more when it comes near, and by a button. */
export function LoadMore({ isLoading, onMore }: LoadMoreProps) {
  const element = useRef<HTMLDivElement>(null);
  const latest = useRef(onMore);
  latest.current = onMore;
  useEffect(() => {
    if (isLoading) return;
    const observer = new IntersectionObserver(([entry]) => entry!.isIntersecting && latest.current(), {
      rootMargin: '1200px 0px',
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, [isLoading]);
  return (
    <div class="load-more" ref={element}>
      {isLoading ? <Loading /> : <Button onClick={onMore}>{t('showMore')}</Button>}
    </div>
  );
}
