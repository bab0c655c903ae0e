import { Transform } from 'node:stream';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ErrorCode } from '../errors.ts';
import { sanitizeFilename, suggestedFilename } from '../videos/filename.ts';
import type { VideoService } from '../videos/service.ts';
import type { Upload, UploadMetadata } from '../videos/upload.ts';
import type { VideoRepository } from '../videos/video-repository.ts';
import type { AddressGuard } from './address-guard.ts';
import {
  IMPORT_ATTEMPTS_MAX,
  IMPORT_MEMORY_MS,
  IMPORT_POLL_MS,
  IMPORT_PROGRESS_MS,
  IMPORT_TIMEOUT_MS,
  IMPORTS_AT_ONCE,
  IMPORTS_OPEN_MAX,
} from './limits.ts';
import { isPassing, type Origin, type OriginFile } from './origin.ts';
import type { Import, ImportRepository } from './repository.ts';

export interface ImportServiceOptions {
  readonly imports: ImportRepository;
  readonly guard: Pick<AddressGuard, 'check'>;
  readonly origin: Pick<Origin, 'open'>;
  readonly videos: Pick<VideoRepository, 'find'>;
  readonly uploads: Pick<VideoService, 'upload' | 'uploadBytesMax'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
}

/** Codes of an upload whose cause is not going to pass by itself. */
const FINAL: ReadonlySet<string> = new Set([
  'quota_exceeded',
  'body_too_large',
  'empty_body',
  'digest_mismatch',
]);

/**
 * Uploads that the coordinators fetch from URLs. What is to be fetched stands in the database; whichever coordinator has
 * a place free takes the next, and takes over what another one left. A connection that breaks is gone on with by Range;
 * after a restart the file is fetched from its beginning.
 */
export class ImportService implements AsyncDisposable {
  readonly #options: ImportServiceOptions;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  /** Wakes whoever waits for work here. */
  #nudge = Promise.withResolvers<void>();

  constructor(options: ImportServiceOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, imports, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loops.push(this.#work(signal));
    const forget = async () => {
      await imports.forget(IMPORT_MEMORY_MS).catch((error: unknown) => {
        logger.warn({ err: error }, 'old imports could not be forgotten');
      });
    };
    this.#loops.push(repeat(clock, 3_600_000, signal, forget));
  }

  /** What runs is given back, for another coordinator, or this one later. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('imports are closed'));
    this.#nudge.resolve();
    await Promise.all(this.#loops);
  }

  /** `id` must never have been used. Rejects with `import_refused` or `too_many_requests`. */
  async create(
    id: string,
    wanted: { readonly url: string; readonly metadata: Omit<UploadMetadata, 'digests'> },
    ownerId: string | null,
  ): Promise<Import> {
    const { imports, guard, createId } = this.#options;
    const { href } = guard.check(wanted.url);
    const inserted = await imports.insert(
      { id, ownerId, url: href, metadata: wanted.metadata, videoId: createId() },
      IMPORTS_OPEN_MAX,
    );
    if (!inserted) {
      throw new AppError<ErrorCode>(
        'too_many_requests',
        `${IMPORTS_OPEN_MAX} imports are under way already.`,
      );
    }
    this.#nudge.resolve();
    return await this.find(id);
  }

  /** Null when there is none, or not any more. */
  async lookUp(id: string): Promise<Import | null> {
    return await this.#options.imports.find(id);
  }

  /** Throws `import_not_found`. */
  async find(id: string): Promise<Import> {
    const found = await this.#options.imports.find(id);
    if (found === null) throw importNotFound(id);
    return found;
  }

  /** Throws `conflict` when it is at its end already. */
  async cancel(id: string): Promise<void> {
    if (await this.#options.imports.cancel(id)) return;
    throw new AppError<ErrorCode>('conflict', 'The import is at its end already.');
  }

  /** Takes what is due while there is a place free. */
  async #work(signal: AbortSignal): Promise<void> {
    const { imports, clock, logger } = this.#options;
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      // Before the look, so that what comes after it is not overslept.
      this.#nudge = Promise.withResolvers();
      try {
        const next = running.size < IMPORTS_AT_ONCE ? await imports.claim() : null;
        if (next !== null) {
          const run = this.run(next, signal)
            .catch((error: unknown) => {
              logger.warn({ err: error, importId: next.id }, 'what became of an import could not be noted');
            })
            .finally(() => {
              running.delete(run);
              this.#nudge.resolve();
            });
          running.add(run);
          continue;
        }
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'imports cannot be looked up');
      }
      const woken = new AbortController();
      const pause = clock.sleep(IMPORT_POLL_MS, AbortSignal.any([signal, woken.signal])).catch(() => {});
      await Promise.race([pause, this.#nudge.promise]);
      woken.abort(new Error('there is work'));
    }
    await Promise.all(running);
  }

  /** Runs one that was claimed, to its end or the next try. Never rejects but when the database does not answer. */
  async run(claimed: Import, stopping: AbortSignal): Promise<void> {
    const { imports, clock, logger } = this.#options;
    const { id, attempts } = claimed;
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, stopping]);
    const progress = { receivedBytes: 0, totalBytes: null as number | null };
    const everyMs = Math.min(IMPORT_PROGRESS_MS, imports.leaseMs / 3);
    const watch = repeat(clock, everyMs, signal, async () => {
      try {
        const isOurs = await imports.progress(id, progress.receivedBytes, progress.totalBytes);
        if (!isOurs) abort.abort(new Taken());
      } catch (error) {
        logger.warn({ err: error, importId: id }, 'the progress of an import could not be noted');
      }
    });
    const cancelTimeout = clock.after(IMPORT_TIMEOUT_MS, () =>
      abort.abort(new AppError<ErrorCode>('import_failed', 'The import took too long.')),
    );
    try {
      const size = await this.#fetch(claimed, progress, signal);
      await imports.complete(id, size);
    } catch (error) {
      if (error instanceof Taken || abort.signal.reason instanceof Taken) return;
      if (stopping.aborted) await imports.release(id);
      else await this.#fail(claimed, attempts, error);
    } finally {
      cancelTimeout();
      abort.abort(new Error('the attempt is over'));
      await watch;
    }
  }

  async #fail({ id, url }: Import, attempts: number, error: unknown): Promise<void> {
    const { imports, logger } = this.#options;
    const described = describe(error);
    logger.info({ err: error, importId: id, url, attempts }, 'an attempt to import a video failed');
    const isFinal = FINAL.has(described.code) || (described.code.startsWith('import_') && !isPassing(error));
    if (isFinal || attempts >= IMPORT_ATTEMPTS_MAX) await imports.fail(id, described);
    else await imports.postpone(id, attempts, described);
  }

  /** Returns the video's size. */
  async #fetch(
    { url, videoId, metadata, ownerId }: Import,
    progress: { receivedBytes: number; totalBytes: number | null },
    signal: AbortSignal,
  ): Promise<number> {
    const { origin, uploads, videos } = this.#options;
    // Committed by a coordinator that died before it could say so.
    const existing = await videos.find(videoId);
    if (existing !== null) return existing.size;
    const file = await origin.open(url, signal);
    progress.totalBytes = file.size;
    if (file.size !== null && file.size > uploads.uploadBytesMax) {
      file.body.destroy();
      throw new AppError<ErrorCode>('body_too_large', `A video may have ${uploads.uploadBytesMax} bytes.`);
    }
    const counted = new Transform({
      transform(piece: Buffer, _encoding, done) {
        progress.receivedBytes += piece.length;
        done(null, piece);
      },
    });
    file.body.on('error', (error) => counted.destroy(error));
    file.body.pipe(counted);
    const upload: Upload = {
      announced: { bytes: file.size ?? 0, isExact: file.size !== null },
      body: counted,
      signal,
      finish: async () => ({ ...describeFile(file, metadata), digests: [] }),
      release() {},
    };
    try {
      return (await uploads.upload(upload, ownerId, videoId)).size;
    } finally {
      file.body.destroy();
      counted.destroy();
    }
  }
}

export function importNotFound(id: string): AppError {
  return new AppError<ErrorCode>('import_not_found', `There is no import ${id}, or not any more.`);
}

/** The import was cancelled, or another coordinator runs it. */
class Taken extends Error {}

function describe(error: unknown): { code: string; detail: string } {
  if (isAppError(error)) return { code: error.code, detail: error.message };
  return { code: 'internal', detail: 'The import failed for a reason that the log has.' };
}

/** What the other server says of the file, beyond what the client said. */
function describeFile(
  file: OriginFile,
  metadata: Omit<UploadMetadata, 'digests'>,
): Omit<UploadMetadata, 'digests'> {
  const named = suggestedFilename(file.contentDisposition) ?? decodedName(file.url);
  const filename = metadata.filename ?? (named === undefined ? undefined : sanitizeFilename(named));
  return { ...metadata, filename, contentType: file.contentType };
}

function decodedName({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1)) || undefined;
  } catch {
    return undefined;
  }
}
