import { type Selectable, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import type { MoviesTable } from '../database/schema.ts';
import { IS_VISIBLE } from './index/segment-store.ts';
import type { Movie, MovieFields } from './movie.ts';
import { normalizeText } from './text.ts';

/** Movies in the table `movies`. What takes a transaction counts when that commits. */
export class MovieRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Those that there are, in any order. */
  async findMany(ids: readonly string[]): Promise<Movie[]> {
    const { rows } = await sql<Selectable<MoviesTable>>`
      select * from movies where id = any(${ids}::uuid[]) and ${IS_VISIBLE}
    `.execute(this.#database);
    return rows.map(toMovie);
  }

  /** The movie as it is, and stays until the transaction ends. */
  async lock(transaction: Transaction, id: string): Promise<Movie | null> {
    const { rows } = await sql<Selectable<MoviesTable>>`
      select * from movies where id = ${id}::uuid and ${IS_VISIBLE} for update
    `.execute(transaction);
    return rows[0] === undefined ? null : toMovie(rows[0]);
  }

  async insert(transaction: Transaction, id: string, fields: MovieFields, identity: string): Promise<Movie> {
    const row = await transaction
      .insertInto('movies')
      .values({ id, ...toColumns(fields), identity, imported: null, import_id: null })
      .returningAll()
      .executeTakeFirstOrThrow();
    return toMovie(row);
  }

  /** As a person says; an import leaves it alone from then on. */
  async update(transaction: Transaction, id: string, fields: MovieFields): Promise<Movie> {
    const row = await transaction
      .updateTable('movies')
      .set((eb) => ({
        ...toColumns(fields),
        imported: null,
        version: eb('version', '+', 1),
        updated_at: sql<Date>`clock_timestamp()`,
      }))
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return toMovie(row);
  }

  async delete(transaction: Transaction, id: string): Promise<void> {
    await transaction.deleteFrom('movies').where('id', '=', id).execute();
  }

  /** The movies that play a video. */
  async linkedTo(videoId: string): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('movies')
      .select('id')
      .where('video_id', '=', videoId)
      .execute();
    return rows.map(({ id }) => id);
  }

  /** Each genre as it was written first, whoever writes it how. */
  async nameGenres(database: Database | Transaction, genres: readonly string[]): Promise<string[]> {
    if (genres.length === 0) return [];
    const keys = genres.map(normalizeText);
    await sql`
      insert into movie_genres (key, name)
      select distinct on (key) key, name from unnest(${keys}::text[], ${genres}::text[]) as t (key, name)
      on conflict do nothing
    `.execute(database);
    const rows = await database.selectFrom('movie_genres').selectAll().where('key', 'in', keys).execute();
    const names = new Map(rows.map(({ key, name }) => [key, name]));
    return [...new Set(keys.map((key) => names.get(key)!))];
  }
}

function toColumns(fields: MovieFields) {
  return {
    title: fields.title,
    original_title: fields.originalTitle,
    year: fields.year,
    directors: [...fields.directors],
    genres: [...fields.genres],
    score: fields.score,
    popularity: fields.popularity,
    runtime_minutes: fields.runtimeMinutes,
    synopsis: fields.synopsis,
    poster: fields.poster,
    video_id: fields.videoId,
  };
}

export function toMovie(row: Selectable<MoviesTable>): Movie {
  return {
    id: row.id,
    title: row.title,
    originalTitle: row.original_title,
    year: row.year,
    directors: row.directors,
    genres: row.genres,
    score: row.score,
    popularity: row.popularity,
    runtimeMinutes: row.runtime_minutes,
    synopsis: row.synopsis,
    poster: row.poster,
    videoId: row.video_id,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
