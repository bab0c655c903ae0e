import { BOXES_MAX } from './limits.ts';

/** The file breaks the format of ISO 14496-12, or goes beyond what is read of it. The message is for the log. */
export class Mp4Error extends Error {
  override readonly name = 'Mp4Error';
}

/** One box of a file: its content lies from `start` to `end` in the bytes that were parsed. */
export interface Box {
  readonly type: string;
  readonly headerStart: number;
  readonly start: number;
  readonly end: number;
}

export interface BoxHeader {
  readonly type: string;
  readonly headerLength: number;
  /** With the header; null: up to the end of what it lies in. */
  readonly length: number | null;
}

/** The header of the box at `at`; undefined when there are too few bytes to tell. Throws Mp4Error. */
export function readBoxHeader(view: DataView, at: number): BoxHeader | undefined {
  if (at + 8 > view.byteLength) return undefined;
  const size = view.getUint32(at);
  const type = fourCharacters(view, at + 4);
  if (size === 0) return { type, headerLength: 8, length: null };
  if (size !== 1) {
    if (size < 8) throw new Mp4Error(`box ${type} of ${size} bytes`);
    return { type, headerLength: 8, length: size };
  }
  if (at + 16 > view.byteLength) return undefined;
  const length = readUint64(view, at + 8);
  if (length < 16 || !Number.isSafeInteger(length)) throw new Mp4Error(`box ${type} of ${length} bytes`);
  return { type, headerLength: 16, length };
}

/** The boxes that lie side by side between two places. Each lies within them, or Mp4Error is thrown. */
export function boxesIn(view: DataView, start: number, end: number): Box[] {
  const boxes: Box[] = [];
  // QuickTime ends some lists with four zero bytes.
  for (let at = start; at + 8 <= end; ) {
    const header = readBoxHeader(view, at);
    if (header === undefined) throw new Mp4Error('a box ends early');
    const boxEnd = header.length === null ? end : at + header.length;
    if (boxEnd > end) throw new Mp4Error(`box ${header.type} goes beyond what it lies in`);
    if (boxes.length === BOXES_MAX) throw new Mp4Error('too many boxes');
    boxes.push({ type: header.type, headerStart: at, start: at + header.headerLength, end: boxEnd });
    at = boxEnd;
  }
  return boxes;
}

export function childrenOf(view: DataView, box: Box): Box[] {
  return boxesIn(view, box.start, box.end);
}

export function findBox(boxes: readonly Box[], type: string): Box | undefined {
  return boxes.find((box) => box.type === type);
}

export function requireBox(boxes: readonly Box[], type: string): Box {
  const box = findBox(boxes, type);
  if (box === undefined) throw new Mp4Error(`no box ${type}`);
  return box;
}

/** Throws Mp4Error unless the box has this many bytes of content. */
export function requireBytes(box: Box, count: number): void {
  if (box.end - box.start < count) throw new Mp4Error(`box ${box.type} is too short`);
}

/** A list in a full box: a count after `countOffset` bytes, then entries of the same size. */
export interface EntryList {
  readonly count: number;
  /** Where the first one lies. */
  readonly start: number;
}

/** The list, whose count its box bears out. Throws Mp4Error. */
export function entryList(view: DataView, box: Box, entryBytes: number, countOffset = 4): EntryList {
  requireBytes(box, countOffset + 4);
  const count = view.getUint32(box.start + countOffset);
  const start = box.start + countOffset + 4;
  if (count * entryBytes > box.end - start)
    throw new Mp4Error(`box ${box.type} has fewer entries than it says`);
  return { count, start };
}

export function fullBoxVersion(view: DataView, box: Box): number {
  requireBytes(box, 4);
  return view.getUint8(box.start);
}

export function fourCharacters(view: DataView, at: number): string {
  return String.fromCharCode(
    view.getUint8(at),
    view.getUint8(at + 1),
    view.getUint8(at + 2),
    view.getUint8(at + 3),
  );
}

/** Beyond 2^53 the nearest number that can be had, which is beyond any file too. */
export function readUint64(view: DataView, at: number): number {
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}
