import type { SourceReader } from '../../task-context.ts';
import { fourCharacters, Mp4Error, readBoxHeader } from './boxes.ts';
import { BOXES_MAX, GLANCE_BYTES, MOOV_BYTES_MAX, READ_BYTES } from './limits.ts';

/** The file ends before its `moov` does, so nobody can tell where its pictures lie. */
export class CutOffError extends Mp4Error {
  constructor() {
    super('no moov before the end');
  }
}

/** First boxes by which a file is told to be of this format. */
const FIRST_TYPES = new Set(['ftyp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot', 'uuid', 'styp']);

/**
 * The content of a file's `moov`, found by the headers of the boxes at the top, of which a glance each is read. Undefined:
 * the file is not of this format. Throws CutOffError when it ends before, another Mp4Error when it is broken.
 */
export async function findMoov(source: SourceReader): Promise<Uint8Array | undefined> {
  let glance: Glance = { offset: 0, bytes: new Uint8Array(0) };
  let at = 0;
  for (let count = 0; at < source.sizeBytes; count++) {
    if (count === BOXES_MAX) throw new Mp4Error('too many boxes at the top');
    const left = source.sizeBytes - at;
    if (viewAt(glance, at).byteLength < Math.min(16, left)) {
      glance = { offset: at, bytes: await source.read(at, Math.min(GLANCE_BYTES, left)) };
    }
    const view = viewAt(glance, at);
    if (count === 0 && (view.byteLength < 8 || !FIRST_TYPES.has(fourCharacters(view, 4)))) return undefined;
    const header = readBoxHeader(view, 0);
    if (header === undefined) break;
    const length = header.length ?? left;
    if (header.type === 'moov') {
      if (length > left) throw new CutOffError();
      return await readMoov(source, glance, at + header.headerLength, length - header.headerLength);
    }
    at += length;
  }
  throw new CutOffError();
}

interface Glance {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What the glance has from `at` on; empty when `at` is not in it. */
function viewAt({ offset, bytes }: Glance, at: number): DataView {
  const skipped = at < offset ? bytes.length : Math.min(at - offset, bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset + skipped, bytes.length - skipped);
}

async function readMoov(
  source: SourceReader,
  glance: Glance,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  if (length > MOOV_BYTES_MAX) throw new Mp4Error(`moov of ${length} bytes`);
  const moov = new Uint8Array(length);
  const seen = viewAt(glance, offset);
  let filled = Math.min(seen.byteLength, length);
  moov.set(new Uint8Array(seen.buffer, seen.byteOffset, filled));
  while (filled < length) {
    const bytes = await source.read(offset + filled, Math.min(READ_BYTES, length - filled));
    if (bytes.length === 0) throw new CutOffError();
    moov.set(bytes, filled);
    filled += bytes.length;
  }
  return moov;
}
