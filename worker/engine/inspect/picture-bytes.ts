import type { SourceReader } from '../../task-context.ts';
import type { FilmPictures } from './film.ts';
import { PICTURE_GLANCE_BYTES } from './limits.ts';

/**
 * Whether the first sample begins with units of H.264, as its entry says: a file may have a whole `moov` and something else
 * where pictures should lie.
 */
export async function isPicture({ entry, table }: FilmPictures, source: SourceReader): Promise<boolean> {
  const size = table.sizes[0]!;
  const lengthBytes = entry.avc?.lengthBytes;
  if (lengthBytes === undefined) return false;
  const bytes = await source.read(table.offsets[0]!, Math.min(size, PICTURE_GLANCE_BYTES));
  let at = 0;
  while (at + lengthBytes < bytes.length) {
    let length = 0;
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + bytes[at + index]!;
    const isForbidden = (bytes[at + lengthBytes]! & 0x80) !== 0;
    if (length === 0 || isForbidden) return false;
    at += lengthBytes + length;
  }
  // Units end with the sample; in a longer one what is left lies beyond the glance.
  return bytes.length === size ? at === size : at + lengthBytes >= bytes.length && at <= size;
}
