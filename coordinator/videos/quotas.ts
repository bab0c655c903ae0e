import { sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { insertOpen, unsynced } from '../objects/open-object.ts';

export interface QuotaLimits {
  /** For users without limits of their own; 0 for no limit. */
  readonly bytes: number;
  readonly videos: number;
}

/** What is going to be stored. */
export interface Charge {
  /** Null is an operator, who has no quota. */
  readonly ownerId: string | null;
  /** As far as known; see `grow`. */
  readonly bytes: number;
  readonly videos: number;
  /** There has to be room for so many videos, although they are not reserved. */
  readonly videosRoom?: number;
}

export interface Usage {
  readonly bytes: number;
  readonly videos: number;
  /** By uploads under way. */
  readonly reservedBytes: number;
  readonly reservedVideos: number;
  /** Null is no limit. */
  readonly bytesMax: number | null;
  readonly videosMax: number | null;
}

/**
 * What owners may store. An upload reserves before its bytes are taken, by a statement that changes its owner's one row, so
 * many at once do not get more than the limit. The reservation hangs on the open object: it is given back when that is
 * abandoned or its lease runs out, and becomes usage in the statement that commits it.
 */
export class Quotas {
  readonly #database: Database;
  readonly #defaults: QuotaLimits;

  constructor(database: Database, defaults: QuotaLimits) {
    this.#database = database;
    this.#defaults = defaults;
  }

  /**
   * Opens an object like `ObjectRepository.open`, and reserves what it is to take. Rejects with `quota_exceeded`, and opens
   * nothing then.
   */
  async open(objectId: string, leaseMs: number, charge: Charge): Promise<void> {
    const { ownerId, bytes, videos, videosRoom = videos } = charge;
    if (ownerId === null) {
      await sql`with setting as materialized (${unsynced}) ${insertOpen(objectId, leaseMs, 'setting')}`.execute(
        this.#database,
      );
      return;
    }
    // Whoever comes second waits for the row of the first, and then looks at it again.
    const { rows } = await sql`
      with setting as materialized (${unsynced}), limits as materialized (${this.#limitsOf(ownerId)}),
      charged as (
        insert into owner_usage as usage (owner_id, reserved_bytes, reserved_videos)
        select ${ownerId}::uuid, ${bytes}::bigint, ${videos}::integer from setting, limits
        where (${bytes}::bigint <= limits.bytes) is not false
          and (${videosRoom}::integer <= limits.videos) is not false
        on conflict (owner_id) do update
        set reserved_bytes = usage.reserved_bytes + excluded.reserved_bytes,
          reserved_videos = usage.reserved_videos + excluded.reserved_videos
        where (usage.bytes + usage.reserved_bytes + excluded.reserved_bytes <= (select bytes from limits)) is not false
          and (usage.videos + usage.reserved_videos + ${videosRoom}::integer <= (select videos from limits)) is not false
        returning owner_id
      ), opened as (${insertOpen(objectId, leaseMs, 'charged')} returning id)
      insert into quota_reservations (object_id, owner_id, bytes, videos)
      select opened.id, ${ownerId}::uuid, ${bytes}::bigint, ${videos}::integer from opened
      returning object_id
    `.execute(this.#database);
    if (rows.length === 0) throw exceeded(await this.usageOf(ownerId), bytes);
  }

  /**
   * Raises an open object's reservation to `bytes`, if it is less. Rejects with `quota_exceeded`; the reservation stays what
   * it was then.
   */
  async grow(objectId: string, bytes: number): Promise<void> {
    const reservation = await this.#database
      .selectFrom('quota_reservations')
      .select(['owner_id', 'bytes'])
      .where('object_id', '=', objectId)
      .executeTakeFirst();
    // An operator's, or one that has expired, which the commit will find out.
    if (reservation === undefined || reservation.bytes >= bytes) return;
    // The reservation's row comes first here and wherever it goes, so that nobody waits in a circle.
    const { rows } = await sql`
      with limits as materialized (${this.#limitsOf(reservation.owner_id)}), reservation as materialized (
        select object_id, owner_id, bytes from quota_reservations where object_id = ${objectId}::uuid for update
      ), charged as (
        update owner_usage as usage
        set reserved_bytes = usage.reserved_bytes + ${bytes}::bigint - reservation.bytes
        from reservation
        where usage.owner_id = reservation.owner_id and reservation.bytes < ${bytes}::bigint and
          (usage.bytes + usage.reserved_bytes + ${bytes}::bigint - reservation.bytes <= (select bytes from limits)) is not false
        returning usage.owner_id
      ), grown as (
        update quota_reservations set bytes = ${bytes}::bigint
        from charged where object_id = ${objectId}::uuid
      )
      select 1 from charged
      union all select 1 from reservation where bytes >= ${bytes}::bigint
      union all select 1 where not exists (select from reservation)
    `.execute(this.#database);
    if (rows.length > 0) return;
    throw exceeded(await this.usageOf(reservation.owner_id), bytes - reservation.bytes);
  }

  async usageOf(ownerId: string): Promise<Usage> {
    const { rows } = await sql<Usage>`
      select coalesce(usage.bytes, 0)::bigint as bytes, coalesce(usage.videos, 0) as videos,
        coalesce(usage.reserved_bytes, 0)::bigint as "reservedBytes", coalesce(usage.reserved_videos, 0) as "reservedVideos",
        limits.bytes as "bytesMax", limits.videos as "videosMax"
      from (${this.#limitsOf(ownerId)}) as limits left join owner_usage as usage on usage.owner_id = ${ownerId}::uuid
    `.execute(this.#database);
    return rows[0]!;
  }

  /** One row; null is no limit. */
  #limitsOf(ownerId: string) {
    const { bytes, videos } = this.#defaults;
    return sql`
      select nullif(coalesce(min(quota_bytes), ${bytes}::bigint), 0) as bytes,
        nullif(coalesce(min(quota_videos), ${videos}::integer), 0) as videos
      from users where id = ${ownerId}::uuid`;
  }
}

function exceeded(usage: Usage, wantedBytes: number): AppError {
  const { bytes, reservedBytes, bytesMax } = usage;
  const isBytes = bytesMax !== null && bytes + reservedBytes + wantedBytes > bytesMax;
  const message = isBytes
    ? `The quota is ${bytesMax} bytes: ${bytes} are stored, ${reservedBytes} reserved by uploads under way, and ${wantedBytes} more are wanted.`
    : `The quota is ${usage.videosMax} videos: ${usage.videos} are stored, and ${usage.reservedVideos} are being uploaded.`;
  return new AppError<ErrorCode>('quota_exceeded', message, { details: { usage, wantedBytes } });
}
