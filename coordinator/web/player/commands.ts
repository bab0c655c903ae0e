/** What the player can be told to do by keys. */
export type Command =
  | { readonly kind: 'toggle' | 'mute' | 'fullscreen' | 'captions' | 'pictureInPicture' }
  | { readonly kind: 'skip'; readonly seconds: number }
  | { readonly kind: 'seekShare'; readonly share: number }
  | { readonly kind: 'volume'; readonly change: number }
  | { readonly kind: 'speed'; readonly change: number };

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

const KEYS: Readonly<Record<string, Command>> = {
  ' ': { kind: 'toggle' },
  k: { kind: 'toggle' },
  j: { kind: 'skip', seconds: -10 },
  l: { kind: 'skip', seconds: 10 },
  ArrowLeft: { kind: 'skip', seconds: -5 },
  ArrowRight: { kind: 'skip', seconds: 5 },
  ArrowUp: { kind: 'volume', change: 0.05 },
  ArrowDown: { kind: 'volume', change: -0.05 },
  m: { kind: 'mute' },
  f: { kind: 'fullscreen' },
  c: { kind: 'captions' },
  i: { kind: 'pictureInPicture' },
  '<': { kind: 'speed', change: -1 },
  '>': { kind: 'speed', change: 1 },
};

interface Pressed {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/** What a key means; undefined when it means nothing here. */
export function commandOf({ key, ctrlKey, metaKey, altKey }: Pressed): Command | undefined {
  if (ctrlKey || metaKey || altKey) return undefined;
  if (/^\d$/.test(key)) return { kind: 'seekShare', share: Number(key) / 10 };
  return KEYS[key.length === 1 ? key.toLowerCase() : key];
}

/** The speed next to one, faster or slower. */
export function speedBeside(speed: number, change: number): number {
  const at = SPEEDS.findIndex((one) => one >= speed - 0.01);
  const next = Math.min(SPEEDS.length - 1, Math.max(0, (at < 0 ? SPEEDS.length - 1 : at) + change));
  return SPEEDS[next]!;
}
