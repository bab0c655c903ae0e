import { GATHERED_IDS_MAX } from './limits.ts';

export interface GatheredReadsOptions<Row> {
  /** Those that there are, in any order. */
  readonly read: (ids: readonly string[]) => Promise<readonly Row[]>;
  /** Reads that may be under way; who comes when there are as many waits for one of the next. */
  readonly readsMax: number;
}

interface Waiting<Row> {
  readonly ids: readonly string[];
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads rows by id, those that are asked for while the database is busy in one statement: it costs little more than that of
 * one who asks alone. Every answer is of a statement that began after its question.
 */
export class GatheredReads<Row extends { readonly id: string }> {
  readonly #options: GatheredReadsOptions<Row>;
  #underWay = 0;
  #waiting: Waiting<Row>[] = [];

  constructor(options: GatheredReadsOptions<Row>) {
    this.#options = options;
  }

  /** Rejects as the read does, for all that share it. */
  load(ids: readonly string[]): Promise<Row[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
    this.#waiting.push({ ids, resolve, reject });
    if (this.#underWay < this.#options.readsMax) void this.#read();
    return promise;
  }

  async #read(): Promise<void> {
    this.#underWay += 1;
    while (this.#waiting.length > 0) {
      const together = this.#takeSome();
      try {
        const ids = new Set(together.flatMap((waiting) => waiting.ids));
        const rows = new Map((await this.#options.read([...ids])).map((row) => [row.id, row]));
        for (const waiting of together) {
          waiting.resolve(waiting.ids.map((id) => rows.get(id)).filter((row) => row !== undefined));
        }
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    this.#underWay -= 1;
  }

  #takeSome(): Waiting<Row>[] {
    let ids = 0;
    const end = this.#waiting.findIndex((waiting, at) => {
      ids += waiting.ids.length;
      return at > 0 && ids > GATHERED_IDS_MAX;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }
}
