import { sql } from 'kysely';
import type { CopyIn } from '../../database/copy-in.ts';
import type { Database, DatabaseHandle, Transaction } from '../../database/database.ts';
import type { ExistingMovie } from './import-pipeline.ts';
import type { MovieColumns } from './movie-columns.ts';
import { MOVIE_COPY, type MovieCopy } from './movie-copy.ts';

export interface StoredImport {
  readonly id: string;
  readonly committed: boolean;
  readonly publishedTo: string | null;
}

/** An update that waits for the end of its import; as `MovieRow` in JSON. */
export interface WaitingUpdate {
  readonly movieId: string;
  readonly movie: string;
}

/** The tables of imports, and what imports do with `movies`. */
export class ImportRepository {
  readonly #database: Database;
  readonly #copyIn: CopyIn;
  /** On PGlite nothing does in the background what autovacuum does on a server. */
  readonly #isEmbedded: boolean;

  constructor({ kysely, copyIn, kind }: Pick<DatabaseHandle, 'kysely' | 'copyIn' | 'kind'>) {
    this.#database = kysely;
    this.#copyIn = copyIn;
    this.#isEmbedded = kind === 'pglite';
  }

  async begin(id: string, mode: 'atomic' | 'keep-going'): Promise<void> {
    await this.#database.insertInto('movie_imports').values({ id, mode, published_to: null }).execute();
  }

  /** Imports that have not ended. */
  async unfinished(): Promise<StoredImport[]> {
    const rows = await this.#database.selectFrom('movie_imports').selectAll().orderBy('id').execute();
    return rows.map(({ id, committed, published_to }) => ({ id, committed, publishedTo: published_to }));
  }

  async end(id: string): Promise<void> {
    await this.#database.deleteFrom('movie_imports').where('id', '=', id).execute();
  }

  /** Of movies with the same identity the one that a person has touched, or the oldest. */
  async lookUp(identities: readonly string[]): Promise<ExistingMovie[]> {
    if (this.#isEmbedded) return this.#lookUp(this.#database, identities);
    // A server plans each statement anew. Of a table that has grown since it was last analysed it takes identities for few and
    // so common that it would read all movies for every thousand of them.
    return await this.#database.transaction().execute(async (transaction) => {
      await sql`set local enable_seqscan = off`.execute(transaction);
      return await this.#lookUp(transaction, identities);
    });
  }

  async #lookUp(database: Database | Transaction, identities: readonly string[]): Promise<ExistingMovie[]> {
    const { rows } = await sql<ExistingMovie>`
      select distinct on (identity) identity, id, imported from movies
      where identity = any(${`{${identities.join(',')}}`}::uuid[])
      order by identity, imported is not null, id
    `.execute(database);
    return rows;
  }

  async insert({ bytes, firstId, lastId }: MovieCopy): Promise<void> {
    await this.#copyIn(MOVIE_COPY, bytes);
    if (!this.#isEmbedded) return;
    // Whoever reads a row first notes in its page that the row's transaction has committed. Now the page is in memory, and has
    // just been logged; later it would have to be read, logged as a whole and written, for whoever asks for the movie.
    await sql`
      select count(*) from movies where id between ${firstId}::uuid and ${lastId}::uuid
    `.execute(this.#database);
  }

  /** Those that no person has touched; returns their ids. */
  async update(transaction: Transaction, columns: MovieColumns): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      update movies m set imported = u.imported, title = u.title, original_title = u.original_title, year = u.year,
        directors = u.directors::text[], genres = u.genres::text[], score = u.score, popularity = u.popularity,
        runtime_minutes = u.runtime_minutes, synopsis = u.synopsis, poster = u.poster, video_id = u.video_id,
        version = m.version + 1, updated_at = clock_timestamp()
      from ${unnested(columns)}
      where m.id = u.id and m.imported is not null
      returning m.id
    `.execute(transaction);
    return rows.map(({ id }) => id);
  }

  async addUpdates(importId: string, ids: readonly string[], movies: readonly string[]): Promise<void> {
    await sql`
      insert into movie_import_updates (import_id, movie_id, movie)
      select ${importId}::uuid, id, movie from unnest(${ids}::uuid[], ${movies}::text[]) as t (id, movie)
    `.execute(this.#database);
  }

  async someUpdates(importId: string, limit: number): Promise<WaitingUpdate[]> {
    const rows = await this.#database
      .selectFrom('movie_import_updates')
      .select(['movie_id', 'movie'])
      .where('import_id', '=', importId)
      .orderBy('movie_id')
      .limit(limit)
      .execute();
    return rows.map(({ movie_id, movie }) => ({ movieId: movie_id, movie }));
  }

  async removeUpdates(transaction: Transaction, importId: string, ids: readonly string[]): Promise<void> {
    await sql`
      delete from movie_import_updates where import_id = ${importId}::uuid and movie_id = any(${ids}::uuid[])
    `.execute(transaction);
  }

  /** One more segment of an import becomes a part of the index, with its movies. */
  async publishSegment(
    transaction: Transaction,
    importId: string,
    segmentId: number,
    lastId: string,
  ): Promise<void> {
    await transaction
      .updateTable('movie_segments')
      .set({ import_id: null })
      .where('id', '=', segmentId)
      .execute();
    await transaction
      .updateTable('movie_imports')
      .set({ published_to: lastId })
      .where('id', '=', importId)
      .execute();
  }

  /** Everything that an import has stored counts from now on; its updates are still to be made. */
  async commit(transaction: Transaction, importId: string, lastId: string): Promise<void> {
    await transaction
      .updateTable('movie_segments')
      .set({ import_id: null })
      .where('import_id', '=', importId)
      .execute();
    await transaction
      .updateTable('movie_imports')
      .set({ committed: true, published_to: lastId })
      .where('id', '=', importId)
      .execute();
  }

  /** Removes segments that wait for the import. */
  async removeSegments(importId: string): Promise<void> {
    await this.#database.deleteFrom('movie_segments').where('import_id', '=', importId).execute();
  }

  /**
   * Removes some movies of an import that were never visible, beginning behind an id; returns the last one, or null when
   * there were none.
   */
  async removeHidden(importId: string, after: string | null, limit: number): Promise<string | null> {
    // Its movies have greater ids than the import, so this reads little else.
    const { rows } = await sql<{ last: string | null }>`
      with gone as (
        select id from movies where id > ${after ?? importId}::uuid and import_id = ${importId}::uuid
        order by id limit ${limit}
      ), removed as (
        delete from movies using gone where movies.id = gone.id
      )
      select max(id::text) as last from gone
    `.execute(this.#database);
    return rows[0]?.last ?? null;
  }
}

function unnested(columns: MovieColumns) {
  const c = columns;
  return sql`unnest(
    ${c.id}::uuid[], ${c.identity}::uuid[], ${c.imported}::uuid[], ${c.title}::text[], ${c.originalTitle}::text[],
    ${c.year}::smallint[], ${c.directors}::text[], ${c.genres}::text[], ${c.score}::float8[],
    ${c.popularity}::float8[], ${c.runtimeMinutes}::integer[], ${c.synopsis}::text[], ${c.poster}::text[],
    ${c.videoId}::uuid[]
  ) as u (
    id, identity, imported, title, original_title, year, directors, genres, score, popularity, runtime_minutes,
    synopsis, poster, video_id
  )`;
}
