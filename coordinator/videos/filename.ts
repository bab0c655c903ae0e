import { encodeExtended, format, parse } from 'content-disposition';
import { FILENAME_BYTES_MAX } from './limits.ts';

/** Marks that reorder text on a screen, so that `gpj.exe` could be shown as `exe.jpg`. */
const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const LINE_AND_CONTROL = /[\p{Cc}\u2028\u2029]/gu;
const EXTENSION_LENGTH_MAX = 16;

/** The last component of whatever a client calls the file, fit to be shown and saved; undefined when nothing is left. */
export function sanitizeFilename(given: string): string | undefined {
  const plain = given
    .toWellFormed()
    .normalize('NFC')
    .replace(LINE_AND_CONTROL, '')
    .replace(BIDI_CONTROLS, '');
  const name = (plain.split(/[\\/]/).findLast((component) => component.trim() !== '') ?? '').trim();
  if (/^\.*$/.test(name)) return undefined;
  return shorten(name);
}

/** The name without its extension: the title of a video that was given none. */
export function titleOf(filename: string): string {
  const dot = filename.lastIndexOf('.');
  return dot > 0 ? filename.slice(0, dot) : filename;
}

/** The filename that a Content-Disposition header suggests, `filename*` first; not yet sanitized. */
export function suggestedFilename(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  // Node reads header bytes as Latin-1, and some clients write bare UTF-8 into `filename`.
  return parse(asUtf8(header)).parameters.filename;
}

/** A Content-Disposition value with a plain `filename` for old clients and the exact one in `filename*`. */
export function contentDisposition(type: 'inline' | 'attachment', filename: string): string {
  const fallback = filename.replace(/[^\x20-\x7e]/g, '_').replace(/["%\\]/g, '_');
  return format(
    { type, parameters: { filename: fallback, 'filename*': encodeExtended(filename) } },
    { extended: false },
  );
}

/** Header text whose bytes are valid UTF-8 is taken as that; anything else stays Latin-1. */
export function asUtf8(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') ? latin1 : text;
}

/** Cuts the stem, not the extension, to what file systems take; never inside a character. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= FILENAME_BYTES_MAX) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= EXTENSION_LENGTH_MAX ? name.slice(dot) : '';
  const room = FILENAME_BYTES_MAX - Buffer.byteLength(extension);
  let stem = '';
  let used = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    used += Buffer.byteLength(character);
    if (used > room) break;
    stem += character;
  }
  return `${stem.trimEnd()}${extension}`;
}
