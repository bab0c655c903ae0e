import { isUtf8 } from 'node:buffer';
import { contentHashOf, identityOf } from '../identity.ts';
import { type BuiltSegment, SegmentBuilder } from '../index/segment-builder.ts';
import {
  IMPORT_PROBLEMS_MAX,
  IMPORT_RECORD_BYTES_MAX,
  IMPORT_ROWS,
  IMPORT_STATEMENTS_MAX,
  IMPORT_VALUE_LENGTH_MAX,
} from '../limits.ts';
import type { MovieFields } from '../movie.ts';
import { type ImportReport, newMovieSchema } from '../schema.ts';
import { normalizeText } from '../text.ts';
import { AscendingIds } from './ascending-ids.ts';
import { mapRecord } from './formats.ts';
import { type JsonElement, JsonElements, JsonStructureError } from './json-elements.ts';
import { findJsonError } from './json-error.ts';
import type { MovieRow } from './movie-columns.ts';
import { MovieCopies, type MovieCopy } from './movie-copy.ts';
import { SeenIdentities } from './seen-identities.ts';

/** A movie that the table has already. */
export interface ExistingMovie {
  readonly identity: string;
  readonly id: string;
  readonly imported: string | null;
}

/** What the pipeline needs of the database. */
export interface ImportCalls {
  /** Each genre as it is to be written. */
  nameGenres(genres: readonly string[]): Promise<readonly string[]>;
  lookUp(identities: readonly string[]): Promise<readonly ExistingMovie[]>;
  insert(copy: MovieCopy): Promise<void>;
  /** Of the movies that no person has touched since; the number of those that were. */
  update(rows: readonly MovieRow[]): Promise<number>;
  /** Makes what was inserted so far, up to the id, a part of the index. */
  publish(segment: BuiltSegment, lastId: string): Promise<void>;
}

export interface ImportPipelineOptions {
  readonly mode: ImportReport['mode'];
  /** All ids will be greater. */
  readonly importId: string;
  readonly calls: ImportCalls;
}

/** How an import ended: the structure of the file may have been broken before its end. */
export interface ImportOutcome {
  readonly report: ImportReport;
  readonly broken: { readonly byte: number; readonly line: number; readonly message: string } | undefined;
}

/** Movies on their way into the table, and what is asked of it. */
interface Batch {
  readonly parsed: readonly Parsed[];
  readonly found: Promise<readonly ExistingMovie[]>;
}

interface Parsed {
  readonly fields: MovieFields;
  readonly identity: string;
}

const GENRES_KNOWN_MAX = 100_000;

/**
 * Bytes in, movies out, `IMPORT_ROWS` at a time: cut, parsed, checked, compared with what is there, and stored. Some
 * batches are on their way at a time; so are the segment that is being made of the new movies, and the one before, which
 * is being published.
 */
export class ImportPipeline {
  readonly #options: ImportPipelineOptions;
  readonly #elements: JsonElements;
  readonly #seen = new SeenIdentities();
  readonly #ids: AscendingIds;
  readonly #copies: MovieCopies;
  readonly #genreNames = new Map<string, string>();
  /** How genres are compared, by how they are written: there are few, and each movie has some. */
  readonly #genreKeys = new Map<string, string>();
  readonly #counts = { added: 0, updated: 0, unchanged: 0, kept: 0, duplicates: 0, rejected: 0 };
  readonly #problems: ImportReport['problems'] = [];
  #parsed: Parsed[] = [];
  #builder = new SegmentBuilder();
  #lastId: string;
  #inserts: Promise<void>[] = [];
  /** Looked up while the one before is stored. */
  #next: Batch | undefined;
  /** Resolves when the last segment counts. */
  #published: Promise<void> = Promise.resolve();
  #broken: ImportOutcome['broken'];

  constructor(options: ImportPipelineOptions) {
    this.#options = options;
    this.#lastId = options.importId;
    this.#ids = new AscendingIds(options.importId);
    this.#copies = new MovieCopies(options.importId);
    this.#elements = new JsonElements((element) => this.#read(element));
  }

  /** Rejects with what the calls reject with. What comes after a broken structure is ignored. */
  async push(bytes: Uint8Array): Promise<void> {
    if (this.#broken !== undefined) return;
    this.#guard(() => this.#elements.push(bytes));
    while (this.#parsed.length >= IMPORT_ROWS) await this.#take(this.#parsed.splice(0, IMPORT_ROWS));
  }

  /** Stores the rest. In atomic mode nothing is stored once something was rejected. */
  async end(): Promise<ImportOutcome> {
    if (this.#broken === undefined) this.#guard(() => this.#elements.end());
    while (this.#parsed.length > 0) await this.#take(this.#parsed.splice(0, IMPORT_ROWS));
    await this.#storeNext();
    await this.#publish();
    await this.#published;
    const report = { mode: this.#options.mode, ...this.#counts, problems: this.#problems };
    return { report, broken: this.#broken };
  }

  get #hasFailed(): boolean {
    return this.#options.mode === 'atomic' && (this.#counts.rejected > 0 || this.#broken !== undefined);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof JsonStructureError)) throw error;
      const { byte, line, message } = error;
      this.#broken = { byte, line, message };
    }
  }

  #read(element: JsonElement): void {
    const json = this.#parse(element);
    if (json === undefined) return;
    const { movie, names } = mapRecord(json.value);
    const result = newMovieSchema.safeParse(movie);
    if (!result.success) {
      const issue = result.error.issues[0]!;
      const [first, ...rest] = issue.code === 'unrecognized_keys' ? [issue.keys[0]!] : issue.path;
      const field = first === undefined ? '' : [names[String(first)] ?? String(first), ...rest].join('.');
      const value = issue.path.reduce<unknown>(
        (at, key) => (at as Record<PropertyKey, unknown>)?.[key],
        movie,
      );
      const message = issue.code === 'unrecognized_keys' ? 'unknown field' : issue.message;
      this.#reject(element, 'invalid_movie', message, field, value);
      return;
    }
    const fields: MovieFields = result.data;
    const identity = identityOf(fields);
    if (!this.#seen.add(identity)) {
      this.#counts.duplicates += 1;
      const message = 'the same title, year and directors stand further up in the file';
      this.#note(element, 'duplicate', message, 'title', fields.title);
      return;
    }
    this.#parsed.push({ fields, identity });
  }

  #parse(element: JsonElement): { value: unknown } | undefined {
    const { bytes } = element;
    if (bytes === undefined) {
      this.#reject(element, 'invalid_movie', `longer than ${IMPORT_RECORD_BYTES_MAX} bytes`);
      return undefined;
    }
    if (!isUtf8(bytes)) {
      this.#reject(element, 'invalid_json', 'not valid UTF-8');
      return undefined;
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    // Lines may be blank.
    if (text.trim() === '') return undefined;
    try {
      return { value: JSON.parse(text) };
    } catch {
      const position = findJsonError(text);
      const byte = element.byte + Buffer.byteLength(text.slice(0, position));
      const rest = text.slice(position, position + 20);
      this.#reject({ ...element, byte }, 'invalid_json', 'not valid JSON', '', rest);
      return undefined;
    }
  }

  #reject(
    element: JsonElement,
    code: ImportReport['problems'][number]['code'],
    message: string,
    field = '',
    value?: unknown,
  ): void {
    this.#counts.rejected += 1;
    this.#note(element, code, message, field, value);
  }

  #note(
    { line, byte }: JsonElement,
    code: ImportReport['problems'][number]['code'],
    message: string,
    field: string,
    value: unknown,
  ): void {
    if (this.#problems.length >= IMPORT_PROBLEMS_MAX) return;
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    const shown = text.slice(0, IMPORT_VALUE_LENGTH_MAX).toWellFormed();
    this.#problems.push({
      line,
      byte,
      code,
      field: field.slice(0, IMPORT_VALUE_LENGTH_MAX),
      value: shown,
      message,
    });
  }

  /** No identity comes twice: what is looked up does not depend on what is being stored. */
  async #take(parsed: readonly Parsed[]): Promise<void> {
    if (this.#hasFailed) return;
    const found = this.#options.calls.lookUp(parsed.map(({ identity }) => identity));
    // Whoever waits for it comes later.
    found.catch(() => {});
    await this.#storeNext();
    this.#next = { parsed, found };
  }

  async #storeNext(): Promise<void> {
    const batch = this.#next;
    this.#next = undefined;
    if (batch === undefined || this.#hasFailed) return;
    await this.#store(batch.parsed, await batch.found);
  }

  async #store(parsed: readonly Parsed[], found: readonly ExistingMovie[]): Promise<void> {
    const { calls } = this.#options;
    await this.#learnGenres(parsed);
    const existing = new Map(found.map((movie) => [movie.identity.replaceAll('-', ''), movie]));
    const added: MovieRow[] = [];
    const changed: MovieRow[] = [];
    for (const { fields: given, identity } of parsed) {
      const keys = new Set(given.genres.map((genre) => this.#genreKeyOf(genre)));
      const fields = { ...given, genres: Array.from(keys, (key) => this.#genreNames.get(key)!) };
      const imported = contentHashOf(fields);
      const before = existing.get(identity);
      if (before === undefined) added.push({ id: this.#ids.next(), identity, imported, fields });
      else if (before.imported === null) this.#counts.kept += 1;
      else if (before.imported.replaceAll('-', '') === imported) this.#counts.unchanged += 1;
      else changed.push({ id: before.id, identity, imported, fields });
    }
    if (added.length > 0) await this.#insert(added);
    if (changed.length > 0) {
      const updated = await calls.update(changed);
      this.#counts.updated += updated;
      this.#counts.kept += changed.length - updated;
    }
  }

  async #insert(rows: readonly MovieRow[]): Promise<void> {
    const insert = this.#options.calls.insert(this.#copies.of(rows));
    // Whoever waits for it comes later.
    insert.catch(() => {});
    this.#inserts.push(insert);
    for (const { id, fields } of rows) this.#builder.add({ id, ...fields });
    this.#lastId = rows.at(-1)!.id;
    this.#counts.added += rows.length;
    if (this.#inserts.length > IMPORT_STATEMENTS_MAX) await this.#inserts.shift();
    if (!this.#builder.hasRoomFor(IMPORT_ROWS)) await this.#publish();
  }

  /** Resolves when the segment is made; it is published once its movies are stored, and one at a time. */
  async #publish(): Promise<void> {
    const inserted = Promise.all(this.#inserts.splice(0));
    inserted.catch(() => {});
    if (this.#builder.docs > 0 && !this.#hasFailed) {
      const segment = this.#builder.finish();
      const lastId = this.#lastId;
      this.#builder = new SegmentBuilder();
      await this.#published;
      this.#published = inserted.then(() => this.#options.calls.publish(segment, lastId));
      // Whoever waits for it comes later.
      this.#published.catch(() => {});
    }
    await inserted;
  }

  async #learnGenres(parsed: readonly Parsed[]): Promise<void> {
    if (this.#genreNames.size > GENRES_KNOWN_MAX) this.#genreNames.clear();
    const unknown = new Map<string, string>();
    for (const { fields } of parsed) {
      for (const genre of fields.genres) {
        const key = this.#genreKeyOf(genre);
        if (!this.#genreNames.has(key)) unknown.set(key, genre);
      }
    }
    if (unknown.size === 0) return;
    const named = await this.#options.calls.nameGenres([...unknown.values()]);
    for (const name of named) this.#genreNames.set(normalizeText(name), name);
  }

  #genreKeyOf(genre: string): string {
    let key = this.#genreKeys.get(genre);
    if (key === undefined) {
      key = normalizeText(genre);
      if (this.#genreKeys.size > GENRES_KNOWN_MAX) this.#genreKeys.clear();
      this.#genreKeys.set(genre, key);
    }
    return key;
  }
}
