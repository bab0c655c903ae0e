/** Paths of the storage node's API; both sides build and parse them here. */

/** A range's digest: a SHA-256 in lower-case hex. */
export const DIGEST_PATTERN = /^[0-9a-f]{64}$/;
export const CHUNK_ID_PATTERN = /^[0-9a-z][0-9a-z-]{7,63}$/;

/** A position as it stands in paths, keys and listings: eight lower-case hex digits. */
export function formatPosition(position: number): string {
  return (position >>> 0).toString(16).padStart(8, '0');
}

/** Undefined when the text is not exactly eight lower-case hex digits. */
export function parsePosition(text: string): number | undefined {
  return /^[0-9a-f]{8}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** A checksum travels as eight lower-case hex digits, like a position. */
export const formatChecksum = formatPosition;
export const parseChecksum = parsePosition;

export function chunkTarget(position: number, chunkId: string): string {
  return `/chunks/${formatPosition(position)}/${chunkId}`;
}

/** Where a client puts a part of a direct upload. */
export function partTarget(position: number, chunkId: string): string {
  return `/parts/${formatPosition(position)}/${chunkId}`;
}

/** Where a client gets bytes `first` to `last` (inclusive) of a chunk, which are a media segment, as if they were a file. */
export function sliceTarget(
  position: number,
  chunkId: string,
  { first, last }: { readonly first: number; readonly last: number },
): string {
  return `/slices/${formatPosition(position)}/${chunkId}/${first}-${last}.m4s`;
}

/** For a `POST`. */
export const STAT_TARGET = '/chunks/stat';

/** `first` and `last` are inclusive positions. */
export function rangeTarget(first: number, last: number): string {
  return `/ranges/${formatPosition(first)}-${formatPosition(last)}`;
}

/** Set aside copies of chunks. */
export const RANGE_DIGESTS_TARGET = '/ranges/digests';
export const QUARANTINE_TARGET = '/quarantine';
export const SCRUB_TARGET = '/scrub';

/** For a `POST`. `session` is a UUID. */
export function digestTarget(session: string): string {
  return `/digests/${session}`;
}

export function quarantineTarget(position: number, chunkId: string): string {
  return `${QUARANTINE_TARGET}/${formatPosition(position)}/${chunkId}`;
}

/** For a `POST`. */
export function verifyTarget(position: number, chunkId: string): string {
  return `${chunkTarget(position, chunkId)}/verify`;
}

/** Carries a chunk's checksum on `PUT` and on `GET`/`HEAD` answers. */
export const CHECKSUM_HEADER = 'x-chunk-checksum';
/** On a listing: pass its value as `after` to get the next page; absent on the last one. */
export const NEXT_CURSOR_HEADER = 'x-next-cursor';
