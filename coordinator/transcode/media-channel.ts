import { type RawBuilder, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';

/** Messages say of which video the media, or the latest job, are not as they were: see `parseMediaMessage`. */
export const MEDIA_CHANNEL = 'video_media';

/** A column of a query in which `video` is a row of `videos`: tells all coordinators when that commits. */
export const TELL_OF_MEDIA: RawBuilder<unknown> = sql`pg_notify(
  ${sql.lit(MEDIA_CHANNEL)}, video.id::text || ' ' || coalesce(video.owner_id::text, '')
)`;

/** Tells all coordinators, once the transaction commits; nobody of a video that is gone. */
export async function tellOfMedia(within: Database | Transaction, videoId: string): Promise<void> {
  await sql`select ${TELL_OF_MEDIA} from videos as video where video.id = ${videoId}::uuid`.execute(within);
}

export function parseMediaMessage(payload: string): {
  readonly videoId: string;
  readonly ownerId: string | null;
} {
  const [videoId = '', ownerId = ''] = payload.split(' ');
  return { videoId, ownerId: ownerId === '' ? null : ownerId };
}
