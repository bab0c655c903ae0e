import type { VideoPosition } from './video-repository.ts';

/** Nine digits of base 36 are milliseconds up to the year 5188. */
const CURSOR = /^([0-9a-z]{1,9})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** An opaque, URL-safe name for a place in the list of videos. */
export function encodeCursor(position: VideoPosition): string {
  const text = `${position.createdAt.getTime().toString(36)}.${position.id}`;
  return Buffer.from(text).toString('base64url');
}

/** Undefined when the text was not made by `encodeCursor`. */
export function decodeCursor(text: string): VideoPosition | undefined {
  const match = CURSOR.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (match === null) return undefined;
  const createdAt = new Date(Number.parseInt(match[1]!, 36));
  const position = { createdAt, id: match[2]! };
  // One place has one name: anything that decodes by leniency alone is refused.
  return !Number.isNaN(createdAt.getTime()) && encodeCursor(position) === text ? position : undefined;
}
