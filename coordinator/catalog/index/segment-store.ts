import { sql } from 'kysely';
import type { Database, Transaction } from '../../database/database.ts';
import { PART_BYTES } from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import type { BuiltSegment } from './segment-builder.ts';

export type PartKind = 'docs' | 'terms';

export interface StoredSegment {
  readonly id: number;
  readonly docs: number;
  readonly dead: Uint8Array | null;
  readonly deadCount: number;
}

/** What the index consists of at one moment. */
export interface StoredIndex {
  readonly version: number;
  readonly segments: readonly StoredSegment[];
  /** Changed since their segments were made; null: deleted. */
  readonly changes: ReadonlyMap<string, IndexedMovie | null>;
}

interface IndexedRow {
  readonly id: string;
  readonly title: string;
  readonly original_title: string | null;
  readonly year: number | null;
  readonly directors: string[];
  readonly genres: string[];
  readonly score: number | null;
  readonly popularity: number | null;
  readonly synopsis: string | null;
}

const INDEXED = sql.raw('id, title, original_title, year, directors, genres, score, popularity, synopsis');

/** Movies of an import that is not that far are not there for anybody else. */
export const IS_VISIBLE = sql<boolean>`not exists (
  select from movie_imports i
  where i.id = movies.import_id and (i.published_to is null or movies.id > i.published_to)
)`;

/** The tables of segments and changes. */
export class SegmentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async version(): Promise<number> {
    const row = await this.#database.selectFrom('movie_index').select('version').executeTakeFirstOrThrow();
    return row.version;
  }

  /**
   * Makes the transaction the only one that changes the index until it ends, and returns the version that the index will
   * have then. To be the first statement, so that nobody waits for each other.
   */
  async lock(transaction: Transaction): Promise<number> {
    const row = await transaction
      .updateTable('movie_index')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .returning('version')
      .executeTakeFirstOrThrow();
    return row.version;
  }

  async read(): Promise<StoredIndex> {
    return await this.#database
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (transaction) => {
        const { version } = await transaction
          .selectFrom('movie_index')
          .select('version')
          .executeTakeFirstOrThrow();
        const segments = await this.segments(transaction);
        const changes = await this.changes(transaction);
        return { version, segments, changes };
      });
  }

  async segments(transaction: Transaction): Promise<StoredSegment[]> {
    const rows = await transaction
      .selectFrom('movie_segments')
      .select(['id', 'docs', 'dead', 'dead_count'])
      .where('import_id', 'is', null)
      .orderBy('id')
      .execute();
    return rows.map(({ id, docs, dead, dead_count }) => ({ id, docs, dead, deadCount: dead_count }));
  }

  async changes(transaction: Transaction): Promise<Map<string, IndexedMovie | null>> {
    const { rows } = await sql<{ movie_id: string } & { [Key in keyof IndexedRow]: IndexedRow[Key] | null }>`
      select c.movie_id, m.* from movie_changes c
      left join (select ${INDEXED} from movies where ${IS_VISIBLE}) m on m.id = c.movie_id
    `.execute(transaction);
    return new Map(
      rows.map((row) => [row.movie_id, row.id === null ? null : toIndexed(row as unknown as IndexedRow)]),
    );
  }

  /** Those of the movies that there are. */
  async movies(ids: readonly string[]): Promise<IndexedMovie[]> {
    const { rows } = await sql<IndexedRow>`
      select ${INDEXED} from movies where id = any(${ids}::uuid[]) and ${IS_VISIBLE}
    `.execute(this.#database);
    return rows.map(toIndexed);
  }

  /** The bytes of a part, from the segment's rows in their order; null when the segment is no more. */
  async part(segmentId: number, kind: PartKind): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let number = 0; ; number++) {
      const row = await this.#database
        .selectFrom('movie_segment_parts')
        .select('data')
        .where('segment_id', '=', segmentId)
        .where('kind', '=', kind)
        .where('number', '=', number)
        .executeTakeFirst();
      if (row === undefined) break;
      pieces.push(row.data);
      length += row.data.length;
    }
    if (pieces.length === 0) return null;
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const piece of pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return bytes;
  }

  /** Stores a segment and returns its id; with an import it waits for that. Not atomic outside of a transaction. */
  async insert(
    database: Database | Transaction,
    segment: BuiltSegment,
    options: {
      readonly importId?: string;
      readonly dead?: Uint8Array | null;
      readonly deadCount?: number;
    } = {},
  ): Promise<number> {
    const { id } = await database
      .insertInto('movie_segments')
      .values({
        import_id: options.importId ?? null,
        docs: segment.docs,
        dead: options.dead ?? null,
        dead_count: options.deadCount ?? 0,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    for (const [kind, bytes] of [
      ['docs', segment.docsPart],
      ['terms', segment.termsPart],
    ] as const) {
      for (let number = 0; number * PART_BYTES < bytes.length; number++) {
        const piece = bytes.subarray(number * PART_BYTES, (number + 1) * PART_BYTES);
        // Only a Buffer goes to the database as bytes.
        const data = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        await database
          .insertInto('movie_segment_parts')
          .values({ segment_id: id, kind, number, data })
          .execute();
      }
    }
    return id;
  }

  async setDead(transaction: Transaction, id: number, dead: Uint8Array, count: number): Promise<void> {
    const bytes = Buffer.from(dead.buffer, dead.byteOffset, dead.byteLength);
    await transaction
      .updateTable('movie_segments')
      .set({ dead: bytes, dead_count: count })
      .where('id', '=', id)
      .execute();
  }

  async remove(transaction: Transaction, ids: readonly number[]): Promise<void> {
    if (ids.length > 0) await transaction.deleteFrom('movie_segments').where('id', 'in', ids).execute();
  }

  async addChanges(transaction: Transaction, ids: readonly string[]): Promise<void> {
    await sql`insert into movie_changes select unnest(${ids}::uuid[]) on conflict do nothing`.execute(
      transaction,
    );
  }

  async removeChanges(transaction: Transaction, ids: readonly string[]): Promise<void> {
    await sql`delete from movie_changes where movie_id = any(${ids}::uuid[])`.execute(transaction);
  }
}

function toIndexed(row: IndexedRow): IndexedMovie {
  return {
    id: row.id,
    title: row.title,
    originalTitle: row.original_title,
    year: row.year,
    directors: row.directors,
    genres: row.genres,
    score: row.score,
    popularity: row.popularity,
    synopsis: row.synopsis,
  };
}
