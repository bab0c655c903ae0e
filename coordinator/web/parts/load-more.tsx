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
  useEffect(() => {
    if (isLoading) return;
    const observer = new IntersectionObserver(([entry]) => entry!.isIntersecting && onMore(), {
      rootMargin: '1200px 0px',
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
    // Anew for each list and page: an observer says nothing again while this stays near.
  }, [isLoading, onMore]);
  return (
    <div class="load-more" ref={element}>
      {isLoading ? <Loading /> : <Button onClick={onMore}>{t('showMore')}</Button>}
    </div>
  );
}
