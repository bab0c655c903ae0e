/** A small picture of a place in the film: a part of a larger one. */
export interface Tile {
  readonly fromS: number;
  readonly toS: number;
  readonly url: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TILES_MAX = 10_000;
const TIMES = /^((?:\d+:)?\d{2}:\d{2}\.\d{3})\s+-->\s+((?:\d+:)?\d{2}:\d{2}\.\d{3})/;

/** Reads WebVTT whose cues name parts of pictures (`sprite.jpg#xywh=0,0,160,90`); cues of another form are left out. */
export function parseStoryboard(text: string, baseUrl: string): Tile[] {
  const tiles: Tile[] = [];
  for (const block of text.replaceAll('\r', '').split('\n\n')) {
    const lines = block.split('\n');
    const at = lines.findIndex((line) => TIMES.test(line));
    const times = TIMES.exec(lines[at] ?? '');
    const target = URL.parse(lines[at + 1]?.trim() ?? '', baseUrl);
    const part = /^#xywh=(\d+),(\d+),(\d+),(\d+)$/.exec(target?.hash ?? '');
    if (times === null || target === null || part === null) continue;
    const [x, y, width, height] = part.slice(1).map(Number) as [number, number, number, number];
    target.hash = '';
    const [fromS, toS] = [secondsOf(times[1]!), secondsOf(times[2]!)];
    tiles.push({ fromS, toS, url: target.href, x, y, width, height });
    if (tiles.length === TILES_MAX) break;
  }
  return tiles;
}

/** The tile of a second; tiles are in order. */
export function tileAt(tiles: readonly Tile[], seconds: number): Tile | undefined {
  let [low, high] = [0, tiles.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (tiles[middle]!.fromS <= seconds) low = middle;
    else high = middle - 1;
  }
  return tiles[low];
}

function secondsOf(time: string): number {
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}
