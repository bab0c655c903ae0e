import { CopyWriter } from '../../database/copy-writer.ts';
import type { MovieRow } from './movie-columns.ts';

/** Rows as `MOVIE_COPY` takes them. */
export interface MovieCopy {
  readonly firstId: string;
  readonly lastId: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const COLUMNS = [
  ...['id', 'identity', 'imported', 'import_id', 'title', 'original_title', 'year', 'directors', 'genres'],
  ...['score', 'popularity', 'runtime_minutes', 'synopsis', 'poster', 'video_id'],
];

export const MOVIE_COPY = `copy movies (${COLUMNS.join(', ')}) from stdin (format binary)`;

/** Movies of one import, many at a time. */
export class MovieCopies {
  readonly #importId: string;
  readonly #writer = new CopyWriter();

  constructor(importId: string) {
    this.#importId = importId;
  }

  /** There is at least one row. */
  of(rows: readonly MovieRow[]): MovieCopy {
    const writer = this.#writer;
    writer.begin();
    for (const { id, identity, imported, fields } of rows) {
      writer.row(COLUMNS.length);
      writer.uuid(id);
      writer.uuid(identity);
      writer.uuid(imported);
      writer.uuid(this.#importId);
      writer.text(fields.title);
      writer.text(fields.originalTitle);
      writer.smallint(fields.year);
      writer.texts(fields.directors);
      writer.texts(fields.genres);
      writer.float8(fields.score);
      writer.float8(fields.popularity);
      writer.integer(fields.runtimeMinutes);
      writer.text(fields.synopsis);
      writer.text(fields.poster);
      writer.uuid(fields.videoId);
    }
    return { firstId: rows[0]!.id, lastId: rows.at(-1)!.id, bytes: writer.finish() };
  }
}
