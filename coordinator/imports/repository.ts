import { type Selectable, sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { ImportsTable } from '../database/schema.ts';
import { uploadFieldsSchema } from '../videos/schema.ts';
import type { UploadMetadata } from '../videos/upload.ts';
import { IMPORT_RETRY_MS } from './limits.ts';
import type { ImportState } from './schema.ts';

export interface Import {
  readonly id: string;
  readonly ownerId: string | null;
  readonly url: string;
  readonly metadata: Omit<UploadMetadata, 'digests'>;
  readonly state: ImportState;
  readonly receivedBytes: number;
  readonly totalBytes: number | null;
  readonly attempts: number;
  readonly error: { readonly code: string; readonly detail: string } | null;
  /** The id that the video is going to have. */
  readonly videoId: string;
  readonly createdAt: Date;
}

/** Imports in the table `imports`; times are the database's. */
export class ImportRepository {
  readonly #database: Database;
  readonly #holder: string;
  readonly leaseMs: number;

  /**
   * `holder` is unique to this process; what it runs goes to another one when it has not noted its progress for so long.
   */
  constructor(database: Database, holder: string, leaseMs: number) {
    this.leaseMs = leaseMs;
    this.#database = database;
    this.#holder = holder;
  }

  /** False when the owner has `openMax` that are not at their end. */
  async insert(
    { id, ownerId, url, metadata, videoId }: Pick<Import, 'id' | 'ownerId' | 'url' | 'metadata' | 'videoId'>,
    openMax: number,
  ): Promise<boolean> {
    const { rows } = await sql`
      insert into imports (id, owner_id, url, metadata, video_id)
      select ${id}::uuid, ${ownerId}::uuid, ${url}::text, ${JSON.stringify(metadata)}::text, ${videoId}::uuid
      where (
        select count(*) from imports
        where owner_id is not distinct from ${ownerId}::uuid and state in ('waiting', 'running')
      ) < ${openMax}::integer
      returning id
    `.execute(this.#database);
    return rows.length > 0;
  }

  async find(id: string): Promise<Import | null> {
    const row = await this.#database
      .selectFrom('imports')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row ? importOf(row) : null;
  }

  /** The oldest one that is due and that nobody runs; from now on this holder does, until its lease runs out. */
  async claim(): Promise<Import | null> {
    const row = await this.#database
      .updateTable('imports')
      .set((eb) => ({
        ...{ state: 'running' as const, holder: this.#holder, lease_expires_at: inMs(this.leaseMs) },
        ...{ attempts: eb('attempts', '+', 1), received_bytes: 0, updated_at: sql<Date>`now()` },
      }))
      .where('id', 'in', (select) =>
        select
          .selectFrom('imports')
          .select('id')
          .where(({ or, and, eb }) =>
            or([
              and([eb('state', '=', 'waiting'), eb('due_at', '<=', sql<Date>`now()`)]),
              and([eb('state', '=', 'running'), eb('lease_expires_at', '<', sql<Date>`now()`)]),
            ]),
          )
          .orderBy('created_at')
          .limit(1)
          .forUpdate()
          .skipLocked(),
      )
      .returningAll()
      .executeTakeFirst();
    return row ? importOf(row) : null;
  }

  /** Notes how far it is, and keeps it; false when it is not this holder's any more, for example cancelled. */
  async progress(id: string, receivedBytes: number, totalBytes: number | null): Promise<boolean> {
    return await this.#change(id, {
      ...{ received_bytes: receivedBytes, total_bytes: totalBytes, lease_expires_at: inMs(this.leaseMs) },
    });
  }

  async complete(id: string, size: number): Promise<void> {
    await this.#change(id, {
      ...{ state: 'complete', received_bytes: size, total_bytes: size, error_code: null, error_detail: null },
      lease_expires_at: null,
    });
  }

  /** To be tried again later, after twice as long as the last time. */
  async postpone(id: string, attempts: number, error: { code: string; detail: string }): Promise<void> {
    await this.#change(id, {
      ...{ state: 'waiting', error_code: error.code, error_detail: error.detail, lease_expires_at: null },
      due_at: inMs(IMPORT_RETRY_MS * 2 ** (attempts - 1)),
    });
  }

  async fail(id: string, error: { code: string; detail: string }): Promise<void> {
    await this.#change(id, {
      ...{ state: 'failed', error_code: error.code, error_detail: error.detail, lease_expires_at: null },
    });
  }

  /** Whoever runs it finds out when it notes its progress. False when it is at its end already. */
  async cancel(id: string): Promise<boolean> {
    const row = await this.#database
      .updateTable('imports')
      .set({ state: 'cancelled', lease_expires_at: null, updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .where('state', 'in', ['waiting', 'running'])
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Gives back what this holder runs, so that another one takes it at once. */
  async release(id: string): Promise<void> {
    await this.#change(id, { lease_expires_at: sql<Date>`now() - interval '1 second'` });
  }

  async forget(olderThanMs: number): Promise<void> {
    await this.#database
      .deleteFrom('imports')
      .where('state', 'in', ['complete', 'failed', 'cancelled'])
      .where('updated_at', '<', sql<Date>`now() - ${olderThanMs}::bigint * interval '1 millisecond'`)
      .execute();
  }

  async #change(id: string, change: Record<string, unknown>): Promise<boolean> {
    const row = await this.#database
      .updateTable('imports')
      .set({ ...change, updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .where('holder', '=', this.#holder)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }
}

function importOf(row: Selectable<ImportsTable>): Import {
  return {
    id: row.id,
    ownerId: row.owner_id,
    url: row.url,
    metadata: uploadFieldsSchema.parse(JSON.parse(row.metadata)),
    state: row.state,
    receivedBytes: row.received_bytes,
    totalBytes: row.total_bytes,
    attempts: row.attempts,
    error: row.error_code === null ? null : { code: row.error_code, detail: row.error_detail ?? '' },
    videoId: row.video_id,
    createdAt: row.created_at,
  };
}

function inMs(milliseconds: number) {
  return sql<Date>`now() + ${milliseconds}::integer * interval '1 millisecond'`;
}
