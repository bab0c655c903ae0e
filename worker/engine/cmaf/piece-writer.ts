import type { Piece } from '../../../lib/worker-api/tasks.ts';
import type { OutputSink, TaskContext } from '../../task-context.ts';

/** What one append takes: a chunk of the ring. */
const APPEND_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Writes the segments of a piece to its output, as many whole ones at once as fit in a chunk. While one batch is on its way
 * the next is filled, so two are in memory at most.
 */
export class PieceWriter {
  readonly #context: TaskContext;
  readonly #output: string;
  readonly #contentType: string;
  #sink: OutputSink | undefined;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  readonly #durations: number[] = [];
  readonly #lengths: number[] = [];

  constructor(context: TaskContext, output: string, contentType: string) {
    this.#context = context;
    this.#output = output;
    this.#contentType = contentType;
  }

  get segmentCount(): number {
    return this.#lengths.length;
  }

  /** The memory belongs to the writer from now on. Resolves when there is room for another segment. */
  async add(duration: number, bytes: readonly Uint8Array[]): Promise<void> {
    const length = bytes.reduce((sum, part) => sum + part.length, 0);
    if (this.#batchBytes > 0 && this.#batchBytes + length > APPEND_BYTES_MAX) await this.#write();
    this.#batch.push(...bytes);
    this.#batchBytes += length;
    this.#durations.push(duration);
    this.#lengths.push(length);
    if (this.#batchBytes >= APPEND_BYTES_MAX) await this.#write();
  }

  /** Resolves when all is on disk. */
  async finish(init: Uint8Array, timescale: number): Promise<Piece> {
    await this.#write();
    await this.#writing;
    return {
      output: this.#output,
      init: Buffer.from(init).toString('base64'),
      timescale,
      durations: this.#durations,
      lengths: this.#lengths,
    };
  }

  async #write(): Promise<void> {
    await this.#writing;
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#sink ??= await this.#context.openOutput(this.#output, this.#contentType);
    this.#writing = this.#sink.append(batch);
    // What went wrong is told to whoever comes next; nobody may be there right now.
    this.#writing.catch(() => {});
  }
}
