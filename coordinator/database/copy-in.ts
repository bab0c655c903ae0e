import type { ClientBase, Connection, Submittable } from 'pg';

const [COPY_DATA, COPY_DONE] = ['d'.charCodeAt(0), 'c'.charCodeAt(0)] as const;
const LENGTH_BYTES = 4;

/** Runs `copy ... from stdin` with these rows, as one transaction; the quickest way for many of them. */
export type CopyIn = (statement: string, rows: Uint8Array) => Promise<void>;

/** Resolves when the rows are stored. Rejects as a statement does, and the client takes the next one. */
export async function copyInWith(
  client: ClientBase,
  ...[statement, rows]: Parameters<CopyIn>
): Promise<void> {
  const copy = new PipelinedCopy(statement, rows);
  client.query(copy);
  await copy.done;
}

/**
 * The rows go out right behind the statement. A server that refuses it passes over them (see "COPY Operations" in
 * PostgreSQL's manual), and PGlite has to be given both at once: see `MessageSplitter`.
 */
class PipelinedCopy implements Submittable {
  readonly done: Promise<void>;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #statement: string;
  readonly #rows: Uint8Array;

  constructor(statement: string, rows: Uint8Array) {
    this.#statement = statement;
    this.#rows = rows;
    const done = Promise.withResolvers<void>();
    this.done = done.promise;
    this.#resolve = done.resolve;
    this.#reject = done.reject;
  }

  submit(connection: Connection): void {
    connection.query(this.#statement);
    const { stream } = connection;
    stream.cork();
    stream.write(headerOf(COPY_DATA, this.#rows.length));
    stream.write(this.#rows);
    stream.write(headerOf(COPY_DONE, 0));
    stream.uncork();
  }

  /* What `pg` tells whoever has submitted something. */

  handleCopyInResponse(): void {}
  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#resolve();
  }

  handleError(error: unknown): void {
    this.#reject(error);
  }
}

/** What a message begins with: its type, and its length, which counts itself. */
function headerOf(type: number, bodyBytes: number): Buffer {
  const header = Buffer.alloc(1 + LENGTH_BYTES);
  header[0] = type;
  header.writeUInt32BE(LENGTH_BYTES + bodyBytes, 1);
  return header;
}
