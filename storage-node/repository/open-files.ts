import { constants } from 'node:fs';
import type { FileSystem } from './file-system.ts';
import { LruCache } from './lru-cache.ts';

interface OpenFile {
  readonly descriptor: Promise<number>;
  users: number;
  cached: boolean;
}

/** Chunk files held open for reading, a bounded number of them. A file in use is closed after its last user. */
export class OpenFiles implements AsyncDisposable {
  readonly #fileSystem: FileSystem;
  readonly #cache: LruCache<OpenFile>;
  readonly #closing = new Set<Promise<void>>();

  constructor(fileSystem: FileSystem, limit: number) {
    this.#fileSystem = fileSystem;
    this.#cache = new LruCache({
      limit,
      costOf: () => 1,
      onLeave: (file) => {
        file.cached = false;
        this.#closeIfUnused(file);
      },
    });
  }

  /** Runs the action with the file's descriptor, which stays open until the action settles. */
  async use<Result>(
    key: string,
    path: string,
    action: (descriptor: number) => Promise<Result>,
  ): Promise<Result> {
    let file = this.#cache.get(key);
    if (!file) {
      file = { descriptor: this.#fileSystem.open(path, constants.O_RDONLY), users: 0, cached: true };
      this.#cache.set(key, file);
    }
    file.users++;
    try {
      let descriptor: number;
      try {
        descriptor = await file.descriptor;
      } catch (error) {
        if (file.cached) this.#cache.delete(key);
        throw error;
      }
      return await action(descriptor);
    } finally {
      file.users--;
      this.#closeIfUnused(file);
    }
  }

  /** The next user opens the file anew. */
  forget(key: string): void {
    this.#cache.delete(key);
  }

  #closeIfUnused(file: OpenFile): void {
    if (file.cached || file.users > 0) return;
    const closing = file.descriptor
      .then((descriptor) => this.#fileSystem.close(descriptor))
      .catch(() => {})
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cache.clear();
    await Promise.all(this.#closing);
  }
}
