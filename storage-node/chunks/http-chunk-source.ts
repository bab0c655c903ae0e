import type { ByteClient, ByteRequest, ByteResponse } from '../../lib/byte-client/byte-client.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { NEXT_CURSOR_HEADER } from '../../lib/node-api/targets.ts';
import { LIST_PAGE_BYTES_MAX } from '../limits.ts';
import type { ChunkSource } from './chunk-source.ts';

/** Longest part of a source's error answer that is worth reading. */
const PROBLEM_BYTES_MAX = 8 * 1024;

/** A ChunkSource over HTTP; bodies land in the caller's buffer without a copy. */
export class HttpChunkSource implements ChunkSource {
  readonly #client: Pick<ByteClient, 'request'>;

  constructor(client: Pick<ByteClient, 'request'>) {
    this.#client = client;
  }

  async fetchInto(url: string, into: Buffer, signal: AbortSignal): Promise<void> {
    await this.#get({ method: 'GET', url, into, signal }, async (response) => {
      await response.completed();
    });
  }

  async fetchPage(url: string, signal: AbortSignal): Promise<{ text: string; next: string | undefined }> {
    return this.#get({ method: 'GET', url, signal }, async (response) => ({
      text: await response.text(LIST_PAGE_BYTES_MAX),
      next: response.headers.get(NEXT_CURSOR_HEADER),
    }));
  }

  async #get<Result>(
    request: ByteRequest,
    take: (response: ByteResponse) => Promise<Result>,
  ): Promise<Result> {
    try {
      const response = await this.#client.request(request);
      if (response.status === 200) return await take(response);
      throw await refusalOf(response);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw asSourceError(error);
    }
  }
}

async function refusalOf(response: ByteResponse): Promise<AppError> {
  const text = await response.text(PROBLEM_BYTES_MAX);
  const code = response.status === 404 ? 'source_missing' : 'source_failed';
  const sourceCode = problemCodeOf(text);
  const reason = sourceCode === undefined ? '' : ` (${sourceCode})`;
  return new AppError(code, `The source answered ${response.status}${reason}.`, {
    retryable: response.status >= 500,
    details: { sourceCode },
  });
}

function problemCodeOf(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === 'string' && /^[a-z_]{1,60}$/.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

function asSourceError(error: unknown): unknown {
  if (!isAppError(error)) return error;
  if (error.code === 'peer_stalled') {
    return new AppError('source_stalled', 'The source stopped sending.', { cause: error, retryable: true });
  }
  if (!error.code.startsWith('peer_')) return error;
  return new AppError('source_failed', `The source cannot be read. ${error.message}`, {
    cause: error,
    retryable: true,
  });
}
