import { useEffect } from 'preact/hooks';

/** What the browser's tab says. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title === undefined ? 'OrbitVids' : `${title} · OrbitVids`;
  }, [title]);
}
