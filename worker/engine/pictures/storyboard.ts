import { AV_PIX_FMT_YUVJ420P, AVCOL_RANGE_JPEG } from 'node-av/constants';
import { Frame } from 'node-av/lib';
import { encodeJpeg } from './encode-picture.ts';
import { SHEET_COLUMNS, SHEET_QUANTIZER, SHEET_TILES, TILE_SECONDS_MIN, TILES_MAX } from './limits.ts';

/** Seconds from one tile to the next, and how many there are. */
export function tilesOf(durationSeconds: number): { readonly periodSeconds: number; readonly count: number } {
  const periodSeconds = Math.max(TILE_SECONDS_MIN, durationSeconds / TILES_MAX);
  return {
    periodSeconds,
    count: Math.max(1, Math.min(TILES_MAX, Math.ceil(durationSeconds / periodSeconds))),
  };
}

export interface Sheet {
  readonly jpeg: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Small pictures side by side, row by row. Both sides of a tile are even. */
export class SpriteSheet {
  readonly #tileWidth: number;
  readonly #tileHeight: number;
  readonly #tiles: Buffer[] = [];

  constructor(tileWidth: number, tileHeight: number) {
    this.#tileWidth = tileWidth;
    this.#tileHeight = tileHeight;
  }

  get isFull(): boolean {
    return this.#tiles.length === SHEET_TILES;
  }

  get isEmpty(): boolean {
    return this.#tiles.length === 0;
  }

  /** A tile's planes of brightness and colours (4:2:0), one after another, without gaps. */
  add(tile: Buffer): void {
    this.#tiles.push(tile);
  }

  /** The sheet, no larger than its tiles need, and empties it. */
  take(): Sheet {
    const tiles = this.#tiles.splice(0);
    const width = Math.min(tiles.length, SHEET_COLUMNS) * this.#tileWidth;
    const height = Math.ceil(tiles.length / SHEET_COLUMNS) * this.#tileHeight;
    // Black where the last row has no tiles.
    const sheet = Buffer.alloc((width * height * 3) / 2, 128).fill(0, 0, width * height);
    for (const [index, tile] of tiles.entries()) this.#place(tile, index, sheet, width, height);
    using frame = Frame.fromVideoBuffer(sheet, { width, height, format: AV_PIX_FMT_YUVJ420P });
    frame.colorRange = AVCOL_RANGE_JPEG;
    return { jpeg: encodeJpeg(frame, SHEET_QUANTIZER), width, height };
  }

  #place(tile: Buffer, index: number, sheet: Buffer, width: number, height: number): void {
    const planes = [
      { from: 0, to: 0, share: 1 },
      { from: this.#tileWidth * this.#tileHeight, to: width * height, share: 2 },
      { from: (this.#tileWidth * this.#tileHeight * 5) / 4, to: (width * height * 5) / 4, share: 2 },
    ];
    for (const { from, to, share } of planes) {
      const [columns, rows] = [this.#tileWidth / share, this.#tileHeight / share];
      const left = (index % SHEET_COLUMNS) * columns;
      const top = Math.floor(index / SHEET_COLUMNS) * rows;
      for (let row = 0; row < rows; row += 1)
        tile.copy(
          sheet,
          to + (top + row) * (width / share) + left,
          from + row * columns,
          from + (row + 1) * columns,
        );
    }
  }
}

/** Which part of which sheet is to be shown when: WebVTT, as players read it. */
export function storyboardVtt(options: {
  readonly count: number;
  readonly periodSeconds: number;
  readonly durationSeconds: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
}): string {
  const { count, periodSeconds, durationSeconds, tileWidth, tileHeight } = options;
  const cues = Array.from({ length: count }, (_, index) => {
    const place = index % SHEET_TILES;
    const left = (place % SHEET_COLUMNS) * tileWidth;
    const top = Math.floor(place / SHEET_COLUMNS) * tileHeight;
    const start = index * periodSeconds;
    const end = index === count - 1 ? Math.max(durationSeconds, start + 0.001) : start + periodSeconds;
    return `${timestamp(start)} --> ${timestamp(end)}\n${sheetName(index)}#xywh=${left},${top},${tileWidth},${tileHeight}\n`;
  });
  return `WEBVTT\n\n${cues.join('\n')}`;
}

/** Name of the sheet that a tile is on. */
export function sheetName(tileIndex: number): string {
  return `storyboard-${Math.floor(tileIndex / SHEET_TILES) + 1}.jpg`;
}

function timestamp(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000);
  const part = (divisor: number, modulus: number, digits: number) =>
    String(Math.floor(milliseconds / divisor) % modulus).padStart(digits, '0');
  return `${part(3_600_000, 10_000, 2)}:${part(60_000, 60, 2)}:${part(1000, 60, 2)}.${part(1, 1000, 3)}`;
}
