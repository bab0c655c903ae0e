/** Where each video was left, so that it goes on there. */

const KEPT_AS = 'orbitvids.positions';
const KEPT_MAX = 200;
/** Who has seen less than this has seen nothing, and who is so near the end has seen it all. */
const BEGINNING_S = 10;
const END_S = 15;

type Entries = [videoId: string, seconds: number][];

export type PositionStore = Pick<Storage, 'getItem' | 'setItem'>;

/** Where to go on, in seconds; 0 for the beginning. */
export function positionOf(videoId: string, store: PositionStore = localStorage): number {
  return read(store).find(([id]) => id === videoId)?.[1] ?? 0;
}

export function keepPosition(
  videoId: string,
  seconds: number,
  durationS: number,
  store: PositionStore = localStorage,
): void {
  const others = read(store).filter(([id]) => id !== videoId);
  const isWorthIt = seconds >= BEGINNING_S && (!Number.isFinite(durationS) || seconds < durationS - END_S);
  const entries: Entries = isWorthIt ? [...others, [videoId, Math.floor(seconds)]] : others;
  try {
    store.setItem(KEPT_AS, JSON.stringify(entries.slice(-KEPT_MAX)));
  } catch {
    // There is no room; it is not worth a word.
  }
}

function read(store: PositionStore): Entries {
  try {
    const value: unknown = JSON.parse(store.getItem(KEPT_AS) ?? '[]');
    return Array.isArray(value) ? (value as Entries).filter((entry) => Array.isArray(entry)) : [];
  } catch {
    return [];
  }
}
