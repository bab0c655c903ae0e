import { type RawBuilder, sql } from 'kysely';

/**
 * An insert of an open object's row, for each row of the table `source` that the statement around it has. Such a row need not
 * survive a crash of the database: an upload whose row is gone fails when it renews its lease or commits. So statements
 * that do no more may begin with `unsynced`; the commit waits for the disk.
 */
export function insertOpen(objectId: string, leaseMs: number, source: string): RawBuilder<unknown> {
  return sql`insert into objects (id, state, lease_expires_at)
    select ${objectId}::uuid, 'open', now() + ${leaseMs}::bigint * interval '1 millisecond' from ${sql.id(source)}`;
}

/** A table of one row; a statement that reads it does not wait for the disk when it commits. */
export const unsynced: RawBuilder<unknown> = sql`select set_config('synchronous_commit', 'off', true)`;
