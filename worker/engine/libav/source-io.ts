import {
  AVERROR_EINVAL,
  AVERROR_EIO,
  AVERROR_EOF,
  AVERROR_EXIT,
  AVSEEK_CUR,
  AVSEEK_END,
  AVSEEK_SET,
  AVSEEK_SIZE,
} from 'node-av/constants';
import { IOContext } from 'node-av/lib';
import type { SourceReader } from '../../task-context.ts';
import { IO_BUFFER_BYTES } from './limits.ts';

/**
 * How FFmpeg reads a source: it asks from its own thread and waits there until the bytes are had. So everything that may
 * read has to be called in its asynchronous form; a synchronous one would wait for ever.
 */
export interface SourceIo extends Disposable {
  readonly context: IOContext;
  /** Throws what kept FFmpeg from bytes, if anything did; its own codes say little of it. */
  throwIfFailed(): void;
}

export function openSourceIo(source: SourceReader, signal: AbortSignal): SourceIo {
  let position = 0;
  let failure: { readonly reason: unknown } | undefined;

  async function read(size: number): Promise<Buffer | number> {
    if (failure !== undefined || signal.aborted) return AVERROR_EXIT;
    if (position >= source.sizeBytes) return AVERROR_EOF;
    try {
      const bytes = await source.read(position, Math.min(size, source.sizeBytes - position));
      if (bytes.length === 0) return AVERROR_EOF;
      position += bytes.length;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (reason) {
      failure = { reason };
      return AVERROR_EIO;
    }
  }

  function seek(offset: bigint, whence: number): bigint | number {
    if (whence === AVSEEK_SIZE) return BigInt(source.sizeBytes);
    const base =
      whence === AVSEEK_SET
        ? 0
        : whence === AVSEEK_CUR
          ? position
          : whence === AVSEEK_END
            ? source.sizeBytes
            : -1;
    const target = base + Number(offset);
    if (base < 0 || target < 0) return AVERROR_EINVAL;
    position = target;
    return BigInt(target);
  }

  const context = new IOContext();
  context.allocContextWithCallbacks(IO_BUFFER_BYTES, 0, read, null, seek);
  return {
    context,
    throwIfFailed() {
      signal.throwIfAborted();
      if (failure !== undefined) throw failure.reason;
    },
    [Symbol.dispose]: () => context.freeContext(),
  };
}
