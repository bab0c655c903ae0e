/** The bytes of the video that a task is about. */
export interface SourceReader {
  readonly sizeBytes: number;
  /**
   * Bytes from `offset` on, `length` of them or what there is before the end. Reads ahead of sequential callers. Rejects
   * when they cannot be had after retries; what resolves is right.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** One object that a task writes on the ring, in order. */
export interface OutputSink {
  /**
   * Adds bytes that shall lie in one chunk, so whole segments; resolves when a write quorum has them on disk. The memory may be used
   * again then. More than 8 MiB are cut into several chunks.
   */
  append(bytes: readonly Uint8Array[]): Promise<void>;
}

/** What a task has of the world: nothing else is to be read or written. */
export interface TaskContext {
  readonly source: SourceReader;
  /** Begins an object; the name is the result's to refer to it. Without an append it does not come to be. */
  openOutput(name: string, contentType: string): Promise<OutputSink>;
  /** Share of the task that is done, 0 to 1. Cheap; also the sign of life that keeps a watchdog quiet. */
  progress(share: number): void;
  /** Cores that the task may keep busy; missing: all of the machine's. */
  readonly cores?: number;
  /** Aborted when the task was cancelled or is not this worker's any more. */
  readonly signal: AbortSignal;
}

/** Why a task cannot be done, in words for the video's owner. */
export class TaskFailure extends Error {
  /** `unplayable`: the source is no video that can be decoded. `failed`: something went wrong with it. */
  readonly code: 'unplayable' | 'failed';
  /** Whether another attempt may go better. */
  readonly retryable: boolean;

  constructor(
    code: 'unplayable' | 'failed',
    message: string,
    options: { readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'TaskFailure';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}
