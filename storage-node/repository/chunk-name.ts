import { AppError } from '../../lib/errors/app-error.ts';
import { CHUNK_ID_PATTERN, formatPosition, parsePosition } from '../../lib/node-api/targets.ts';

/**
 * A chunk's name within a node: its position (eight hex digits), a dash, its id. Names sort like positions and
 * ids do. They serve as file names, as cursors of listings and as keys of caches.
 */
export function chunkName(position: number, id: string): string {
  return `${formatPosition(position)}-${id}`;
}

/** Undefined unless the text is exactly a name that `chunkName` makes of a valid position and id. */
export function parseChunkName(name: string): { position: number; id: string } | undefined {
  const position = parsePosition(name.slice(0, 8));
  const id = name.slice(9);
  if (position === undefined || name[8] !== '-' || !CHUNK_ID_PATTERN.test(id)) return undefined;
  return { position, id };
}

/** Throws `invalid_request` for a cursor that no listing can have given out. */
export function parseCursor(cursor: string): { position: number; id: string } {
  const parsed = parseChunkName(cursor);
  if (!parsed) throw new AppError('invalid_request', 'The cursor "after" is not one this node gave out.');
  return parsed;
}
