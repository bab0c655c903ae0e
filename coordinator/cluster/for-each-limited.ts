/**
 * Calls `action` for every item, at most `limit` at a time. Rejects with the first failure, after the actions
 * under way have ended; no further ones are begun.
 */
export async function forEachLimited<Item>(
  items: readonly Item[],
  limit: number,
  action: (item: Item) => Promise<void>,
): Promise<void> {
  const remaining = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const work = async () => {
    for (const item of remaining) {
      try {
        await action(item);
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  if (failure !== undefined) throw failure.error;
}
