import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../database/database.ts';
import type { Rendition } from '../../renditions/rendition.ts';

export interface GivenPiece {
  readonly init: Uint8Array;
  readonly timescale: number;
  readonly durations: readonly number[];
  /** Or recipes, which make segments of these lengths. */
  readonly segments: readonly Uint8Array[];
  readonly servedLengths?: readonly number[];
}

export interface GivenRendition {
  readonly videoId: string;
  readonly name: string;
  readonly media: Rendition['media'];
  readonly pieces: readonly GivenPiece[];
}

/**
 * Makes renditions of a real cluster's videos: each piece is uploaded as a video of its own, whose object it then shares. `upload`
 * resolves with the id of such a video.
 */
export async function storeRendition(
  database: Database,
  upload: (bytes: Buffer<ArrayBuffer>) => Promise<string>,
  { videoId, name, media, pieces }: GivenRendition,
): Promise<string> {
  const id = uuidv7();
  const isVirtual = pieces.some(({ servedLengths }) => servedLengths !== undefined);
  const objectIds: string[] = [];
  for (const { segments } of pieces) {
    const holder = await upload(Buffer.concat(segments));
    const { object_id } = await database
      .selectFrom('videos')
      .select('object_id')
      .where('id', '=', holder)
      .executeTakeFirstOrThrow();
    objectIds.push(object_id);
  }
  await database
    .insertInto('renditions')
    .values({
      ...{ id, video_id: videoId, name, kind: media.kind, media: JSON.stringify(media), is_ready: true },
      origin: isVirtual ? 'virtual' : 'encoded',
    })
    .execute();
  for (const [index, { init, timescale, durations, segments, servedLengths }] of pieces.entries()) {
    const lengths = segments.map(({ length }) => length);
    await sql`
      insert into rendition_pieces (rendition_id, index, object_id, init, timescale, durations, lengths, served_lengths)
      values (${id}::uuid, ${index}::integer, ${objectIds[index]}::uuid, ${Buffer.from(init)}::bytea,
        ${timescale}::integer, ${[...durations]}::integer[], ${lengths}::integer[],
        ${servedLengths === undefined ? null : [...servedLengths]}::integer[])
    `.execute(database);
  }
  return id;
}
