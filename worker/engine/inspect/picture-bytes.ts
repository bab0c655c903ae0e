import type { SourceReader } from '../../task-context.ts';
import type { FilmPictures } from './film.ts';
import { PICTURE_BYTES_MAX } from './limits.ts';

/**
 * Whether the first sample consists of units of H.264, as its entry says: a file may have a whole `moov` and something else
 * where pictures should lie.
 */
export async function isPicture({ entry, table }: FilmPictures, source: SourceReader): Promise<boolean> {
  const size = table.sizes[0]!;
  const lengthBytes = entry.avc?.lengthBytes;
  if (lengthBytes === undefined || size > PICTURE_BYTES_MAX) return false;
  const bytes = await source.read(table.offsets[0]!, size);
  let at = 0;
  while (at + lengthBytes < bytes.length) {
    let length = 0;
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + bytes[at + index]!;
    const isForbidden = (bytes[at + lengthBytes]! & 0x80) !== 0;
    if (length === 0 || isForbidden) return false;
    at += lengthBytes + length;
  }
  return at === size && bytes.length === size;
}
