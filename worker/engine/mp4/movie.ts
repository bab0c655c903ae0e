import {
  type Box,
  boxesIn,
  childrenOf,
  entryList,
  findBox,
  fourCharacters,
  fullBoxVersion,
  Mp4Error,
  readInt64,
  readUint64,
  requireBox,
  requireBytes,
} from './boxes.ts';
import { EDITS_MAX, TRACKS_MAX } from './limits.ts';

/** Whoever follows the edits of a track is kept busy for longer than any film is worth. */
export class EndlessEditsError extends Mp4Error {
  constructor() {
    super('too many edits');
  }
}

/** What a `moov` says, as far as films need it; tables of samples are read by `readSampleTable`. */
export interface Movie {
  readonly view: DataView;
  /** Ticks a second of edits. */
  readonly timescale: number;
  readonly tracks: readonly Track[];
  /** Samples lie in fragments, which this reader does not read. */
  readonly isFragmented: boolean;
}

export interface Track {
  /** `vide`, `soun` or another kind of media. */
  readonly handler: string;
  readonly isEnabled: boolean;
  readonly matrix: Matrix;
  /** Ticks a second of samples. */
  readonly timescale: number;
  /** Of media, in ticks; what its header says. */
  readonly duration: number;
  /** ISO 639-2, three letters; null: not told. */
  readonly language: string | null;
  readonly name: string | null;
  readonly edits: readonly Edit[];
  /** Codecs of its samples: usually one. */
  readonly sampleEntries: readonly Box[];
  /** Whether all its samples lie in this file. */
  readonly isSelfContained: boolean;
  /** Tables of samples. */
  readonly tables: readonly Box[];
}

/** How a track's pictures lie on the screen: x' = ax + cy, y' = bx + dy. */
export interface Matrix {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** A part of the track that is shown, or a pause. */
export interface Edit {
  /** Ticks of the movie. */
  readonly duration: number;
  /** Ticks of the track; -1: a pause. */
  readonly mediaTime: number;
  readonly isPlainRate: boolean;
}

/** Reads the content of a `moov`. Throws Mp4Error when it breaks the format, of its subclasses EndlessEditsError. */
export function parseMovie(moov: Uint8Array): Movie {
  const view = new DataView(moov.buffer, moov.byteOffset, moov.byteLength);
  const boxes = boxesIn(view, 0, moov.length);
  if (findBox(boxes, 'cmov') !== undefined) throw new Mp4Error('moov is compressed');
  const header = requireBox(boxes, 'mvhd');
  const trackBoxes = boxes.filter(({ type }) => type === 'trak');
  if (trackBoxes.length > TRACKS_MAX) throw new Mp4Error(`${trackBoxes.length} tracks`);
  return {
    view,
    timescale: readTimes(view, header).timescale,
    tracks: trackBoxes.map((box) => parseTrack(view, box)),
    isFragmented: findBox(boxes, 'mvex') !== undefined,
  };
}

function parseTrack(view: DataView, box: Box): Track {
  const boxes = childrenOf(view, box);
  const trackHeader = requireBox(boxes, 'tkhd');
  const media = childrenOf(view, requireBox(boxes, 'mdia'));
  const mediaHeader = requireBox(media, 'mdhd');
  const handler = requireBox(media, 'hdlr');
  requireBytes(handler, 12);
  const information = childrenOf(view, requireBox(media, 'minf'));
  const tables = childrenOf(view, requireBox(information, 'stbl'));
  const descriptions = requireBox(tables, 'stsd');
  requireBytes(descriptions, 8);
  return {
    handler: fourCharacters(view, handler.start + 8),
    isEnabled: (view.getUint8(trackHeader.start + 3) & 1) === 1,
    matrix: readMatrix(view, trackHeader),
    ...readTimes(view, mediaHeader),
    language: readLanguage(view, mediaHeader),
    name: readName(view, boxes),
    edits: readEdits(view, boxes),
    sampleEntries: boxesIn(view, descriptions.start + 8, descriptions.end),
    isSelfContained: isSelfContained(view, information),
    tables,
  };
}

/** Timescale and duration of `mvhd` and `mdhd`, which begin alike. */
function readTimes(view: DataView, box: Box): { timescale: number; duration: number } {
  const isLong = fullBoxVersion(view, box) === 1;
  requireBytes(box, isLong ? 32 : 20);
  const timescale = view.getUint32(box.start + (isLong ? 20 : 12));
  if (timescale === 0 || timescale > 1_000_000_000) throw new Mp4Error(`timescale ${timescale}`);
  const duration = isLong ? readUint64(view, box.start + 24) : view.getUint32(box.start + 16);
  return { timescale, duration };
}

function readLanguage(view: DataView, header: Box): string | null {
  const at = header.start + (fullBoxVersion(view, header) === 1 ? 32 : 20);
  if (at + 2 > header.end) return null;
  const packed = view.getUint16(at);
  // Smaller numbers are QuickTime's own list of languages.
  if (packed < 0x400 || packed >= 0x8000) return null;
  const letters = [packed >> 10, (packed >> 5) & 31, packed & 31].map((five) =>
    String.fromCharCode(five + 0x60),
  );
  const language = letters.join('');
  return /^[a-z]{3}$/.test(language) && language !== 'und' ? language : null;
}

function readMatrix(view: DataView, header: Box): Matrix {
  const at = header.start + (fullBoxVersion(view, header) === 1 ? 52 : 40);
  requireBytes(header, at - header.start + 36);
  const fixed = (index: number): number => view.getInt32(at + index * 4) / 0x1_0000;
  return { a: fixed(0), b: fixed(1), c: fixed(3), d: fixed(4) };
}

/** What `udta` calls the track: by QuickTime's `name`, a string up to its end. */
function readName(view: DataView, boxes: readonly Box[]): string | null {
  const userData = findBox(boxes, 'udta');
  const name = userData === undefined ? undefined : findBox(childrenOf(view, userData), 'name');
  if (name === undefined) return null;
  const bytes = new Uint8Array(
    view.buffer,
    view.byteOffset + name.start,
    Math.min(name.end - name.start, 800),
  );
  const text = new TextDecoder()
    .decode(bytes)
    .replace(/\p{Cc}/gu, '')
    .trim();
  return text === '' ? null : text.slice(0, 200);
}

function readEdits(view: DataView, boxes: readonly Box[]): Edit[] {
  const edts = findBox(boxes, 'edts');
  const list = edts === undefined ? undefined : findBox(childrenOf(view, edts), 'elst');
  if (list === undefined) return [];
  const isLong = fullBoxVersion(view, list) === 1;
  const entryBytes = isLong ? 20 : 12;
  const { count, start } = entryList(view, list, entryBytes);
  if (count > EDITS_MAX) throw new EndlessEditsError();
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    return {
      duration: isLong ? readUint64(view, at) : view.getUint32(at),
      mediaTime: isLong ? readInt64(view, at + 8) : view.getInt32(at + 4),
      isPlainRate: view.getUint32(at + entryBytes - 4) === 0x1_0000,
    };
  });
}

/** Without references to data, or when all of them say that it lies in the same file. */
function isSelfContained(view: DataView, information: readonly Box[]): boolean {
  const dinf = findBox(information, 'dinf');
  const references = dinf === undefined ? undefined : findBox(childrenOf(view, dinf), 'dref');
  if (references === undefined) return true;
  requireBytes(references, 8);
  return boxesIn(view, references.start + 8, references.end).every(
    (entry) => entry.end - entry.start >= 4 && (view.getUint8(entry.start + 3) & 1) === 1,
  );
}
