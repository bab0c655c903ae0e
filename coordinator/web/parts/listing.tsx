import type { ComponentChildren } from 'preact';
import type { PagedList } from '../api/paged.ts';
import { LoadMore } from './load-more.tsx';
import { Failed, Loading } from './states.tsx';

interface ListingProps<Item extends { readonly id: string | number }> {
  readonly list: PagedList<Item>;
  /** In place of an empty list. */
  readonly empty: ComponentChildren;
  readonly children: (items: readonly Item[]) => ComponentChildren;
}

/** A list with everything that may be the matter with it. */
export function Listing<Item extends { readonly id: string | number }>({
  list,
  empty,
  children,
}: ListingProps<Item>) {
  const items = list.items.value;
  const next = list.nextCursor.value;
  const error = list.error.value;
  const retry = () => void list.loadMore();
  if (items.length === 0) {
    if (error !== undefined) return <Failed error={error} onRetry={retry} />;
    return next === undefined ? <Loading /> : empty;
  }
  return (
    <>
      {children(items)}
      {error !== undefined && <Failed error={error} onRetry={retry} />}
      {error === undefined && next != null && <LoadMore isLoading={list.isLoading.value} onMore={retry} />}
    </>
  );
}
