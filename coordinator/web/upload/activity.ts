import { signal } from '@preact/signals';

/** What the rest of the page says of uploads, without the code that makes them. */
export interface Activity {
  readonly unfinished: number;
  /** 0 to 1, of what is being sent now; null when nothing is. */
  readonly share: number | null;
}

const KEPT_AS = 'orbitvids.unfinishedUploads';

export const activity = signal<Activity>({ unfinished: 0, share: null });

export function report(next: Activity): void {
  activity.value = next;
  if (next.unfinished === 0) localStorage.removeItem(KEPT_AS);
  else localStorage.setItem(KEPT_AS, String(next.unfinished));
}

/** How many the page had when it was left. */
export function leftUnfinished(): number {
  return Number(localStorage.getItem(KEPT_AS) ?? 0);
}
