import { sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import { column } from '../objects/commit-object.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { OUTPUTS_MAX } from './limits.ts';

export interface Output {
  readonly objectId: string;
  readonly name: string;
  readonly contentType: string;
  readonly size: number;
  readonly chunkCount: number;
}

/** What leased tasks write: open objects, in the table `transcode_outputs`, each under the fence of its lease. */
export class OutputRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Begins an output, or finds the one that the lease has under the name. Null when the lease is lost, or has as many as it
   * may.
   */
  async open(
    lease: { readonly taskId: string; readonly fence: number },
    wanted: { readonly objectId: string; readonly name: string; readonly contentType: string },
    leaseMs: number,
  ): Promise<Output | null> {
    const { taskId, fence } = lease;
    await sql`
      with held as (
        select id from transcode_tasks
        where id = ${taskId}::uuid and fence = ${fence}::bigint and state = 'running'
          and not exists (
            select from transcode_outputs
            where task_id = ${taskId}::uuid and fence = ${fence}::bigint and name = ${wanted.name}::text
          )
          and (select count(*) from transcode_outputs where task_id = ${taskId}::uuid) < ${OUTPUTS_MAX}::integer
        for share
      ), opened as (
        insert into objects (id, state, lease_expires_at)
        select ${wanted.objectId}::uuid, 'open', clock_timestamp() + ${leaseMs}::bigint * interval '1 millisecond' from held
        returning id
      )
      insert into transcode_outputs (object_id, task_id, fence, name, content_type)
      select opened.id, ${taskId}::uuid, ${fence}::bigint, ${wanted.name}::text, ${wanted.contentType}::text from opened
    `.execute(this.#database);
    return await this.find(lease, wanted.name);
  }

  /** Null when there is none of that name, or the lease is lost. */
  async find(
    { taskId, fence }: { readonly taskId: string; readonly fence: number },
    name: string,
  ): Promise<Output | null> {
    const row = await this.#database
      .selectFrom('transcode_outputs as output')
      .innerJoin('transcode_tasks as task', 'task.id', 'output.task_id')
      .innerJoin('objects', 'objects.id', 'output.object_id')
      .select(['output.object_id', 'output.name', 'output.content_type', 'output.size', 'output.chunk_count'])
      .where('task.id', '=', taskId)
      .where('task.fence', '=', fence)
      .where('task.state', '=', 'running')
      .where('output.fence', '=', fence)
      .where('output.name', '=', name)
      .where('objects.state', '=', 'open')
      .executeTakeFirst();
    return row === undefined ? null : toOutput(row);
  }

  /** All that the lease has, inside the transaction that has locked its task. */
  async all(transaction: Transaction, taskId: string, fence: number): Promise<Output[]> {
    const rows = await transaction
      .selectFrom('transcode_outputs')
      .selectAll()
      .where('task_id', '=', taskId)
      .where('fence', '=', fence)
      .execute();
    return rows.map(toOutput);
  }

  /** Notes chunks behind those that it has. False, and nothing is noted, when the lease is lost or others were first. */
  async addChunks(
    { taskId, fence }: { readonly taskId: string; readonly fence: number },
    output: Pick<Output, 'objectId' | 'size' | 'chunkCount'>,
    chunks: readonly ChunkRef[],
  ): Promise<boolean> {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const { rows } = await sql`
      with held as (
        select id from transcode_tasks
        where id = ${taskId}::uuid and fence = ${fence}::bigint and state = 'running' for share
      ), grown as (
        update transcode_outputs as output
        set size = output.size + ${bytes}::bigint, chunk_count = output.chunk_count + ${chunks.length}::integer
        from held, objects
        where output.object_id = ${output.objectId}::uuid and output.task_id = held.id
          and output.size = ${output.size}::bigint and objects.id = output.object_id and objects.state = 'open'
        returning output.object_id
      )
      insert into chunks (object_id, index, id, position, length, checksum)
      select grown.object_id, ${output.chunkCount}::integer + added.place - 1, added.id, added.position, added.length,
        added.checksum
      from grown, unnest(
        ${column(chunks, 'id')}::text[], ${column(chunks, 'position')}::bigint[],
        ${column(chunks, 'length')}::integer[], ${column(chunks, 'checksum')}::bigint[]
      ) with ordinality as added (id, position, length, checksum, place)
      returning index
    `.execute(this.#database);
    return rows.length > 0;
  }

  /** Gives up what the task has written and nobody has committed; its chunks are the sweep's from the commit on. */
  async abandon(transaction: Transaction, taskIds: readonly string[]): Promise<void> {
    await sql`
      delete from objects using transcode_outputs as output
      where output.task_id = any(${[...taskIds]}::uuid[]) and objects.id = output.object_id and objects.state = 'open'
    `.execute(transaction);
    await sql`delete from transcode_outputs where task_id = any(${[...taskIds]}::uuid[])`.execute(
      transaction,
    );
  }
}

function toOutput(row: {
  object_id: string;
  name: string;
  content_type: string;
  size: number;
  chunk_count: number;
}): Output {
  return {
    objectId: row.object_id,
    name: row.name,
    contentType: row.content_type,
    size: Number(row.size),
    chunkCount: row.chunk_count,
  };
}
