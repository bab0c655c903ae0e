import { open } from 'node:fs/promises';
import type { OutputSink, SourceReader, TaskContext } from '../../task-context.ts';

/** What a task wrote below one name. */
export interface WrittenOutput {
  readonly contentType: string;
  /** As they were appended, in order: what would become chunks. */
  readonly appends: Uint8Array[];
}

export interface MemoryContext extends TaskContext {
  readonly outputs: ReadonlyMap<string, WrittenOutput>;
  /** All bytes of an output. */
  bytesOf(name: string): Buffer;
  readonly controller: AbortController;
  /** Shares as they were told. */
  readonly shares: readonly number[];
}

/** A context whose outputs stay in memory. */
export function memoryContext(source: SourceReader): MemoryContext {
  const outputs = new Map<string, WrittenOutput>();
  const shares: number[] = [];
  const controller = new AbortController();
  return {
    source,
    outputs,
    shares,
    controller,
    signal: controller.signal,
    async openOutput(name, contentType): Promise<OutputSink> {
      if (outputs.has(name)) throw new Error(`The output ${name} is open already`);
      const output: WrittenOutput = { contentType, appends: [] };
      outputs.set(name, output);
      return {
        async append(bytes) {
          output.appends.push(Buffer.concat(bytes));
        },
      };
    },
    progress: (share) => shares.push(share),
    bytesOf(name) {
      const output = outputs.get(name);
      if (output === undefined) throw new Error(`There is no output ${name}`);
      return Buffer.concat(output.appends);
    },
  };
}

/** A source in memory. `read` counts what was asked of it. */
export function memorySource(bytes: Uint8Array): SourceReader & { bytesRead: number } {
  return {
    sizeBytes: bytes.length,
    bytesRead: 0,
    async read(offset, length) {
      const part = bytes.subarray(offset, offset + length);
      this.bytesRead += part.length;
      return part;
    },
  };
}

/** A source in a file, read as it is asked for. */
export async function fileSource(path: string): Promise<SourceReader & AsyncDisposable> {
  const file = await open(path);
  const { size } = await file.stat();
  return {
    sizeBytes: size,
    async read(offset, length) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
