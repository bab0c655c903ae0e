import { batch, type Signal, signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { ask, isAbort, type Wanted } from './client.ts';
import type { Page } from './types.ts';

/** A list of the API that is read page by page. */
export class PagedList<Item extends { readonly id: string | number }> {
  readonly items: Signal<readonly Item[]> = signal<readonly Item[]>([]);
  readonly error = signal<unknown>(undefined);
  readonly isLoading = signal(false);
  /** Null: that was all. Undefined: nothing has come yet. */
  readonly nextCursor = signal<string | null | undefined>(undefined);
  readonly #path: string;
  readonly #query: NonNullable<Wanted['query']>;

  constructor(path: string, query: NonNullable<Wanted['query']>) {
    this.#path = path;
    this.#query = query;
  }

  async loadMore(): Promise<void> {
    const cursor = this.nextCursor.peek();
    if (cursor === null || this.isLoading.peek()) return;
    this.isLoading.value = true;
    this.error.value = undefined;
    try {
      const query = { ...this.#query, ...(cursor !== undefined && { cursor }) };
      const page = await ask<Page<Item>>('GET', this.#path, { query });
      batch(() => {
        const known = new Set(this.items.value.map(({ id }) => id));
        this.items.value = [...this.items.value, ...page.items.filter(({ id }) => !known.has(id))];
        this.nextCursor.value = page.nextCursor;
      });
    } catch (error) {
      if (!isAbort(error)) this.error.value = error;
    } finally {
      this.isLoading.value = false;
    }
  }

  /** Reads the first page anew, and shows nothing else meanwhile than what is there. */
  async refresh(): Promise<void> {
    const page = await ask<Page<Item>>('GET', this.#path, { query: this.#query });
    batch(() => {
      const fresh = new Set(page.items.map(({ id }) => id));
      const isOnlyPage = this.items.value.length <= page.items.length;
      const rest = isOnlyPage ? [] : this.items.value.filter(({ id }) => !fresh.has(id));
      this.items.value = [...page.items, ...rest];
      if (isOnlyPage) this.nextCursor.value = page.nextCursor;
    });
  }

  replace(item: Item): void {
    this.items.value = this.items.value.map((one) => (one.id === item.id ? item : one));
  }

  remove(id: Item['id']): void {
    this.items.value = this.items.value.filter((one) => one.id !== id);
  }
}

/** A list that begins to load at once, and anew when what is asked for changes. */
export function usePagedList<Item extends { readonly id: string | number }>(
  path: string,
  query: NonNullable<Wanted['query']>,
): PagedList<Item> {
  const key = JSON.stringify(query);
  return useMemo(() => {
    const list = new PagedList<Item>(path, JSON.parse(key) as NonNullable<Wanted['query']>);
    void list.loadMore();
    return list;
  }, [path, key]);
}
