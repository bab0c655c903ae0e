import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Level } from 'level';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';

/**
 * A lock that one process at a time can hold, kept in a directory of its own. Node has no file locks; LevelDB
 * takes one from the operating system when it opens, which ends with the process however it dies. So a lock
 * cannot outlive its holder, and a recycled process id (every container has the same ones) means nothing.
 */
export class DirectoryLock implements AsyncDisposable {
  readonly #level: Level;

  private constructor(level: Level) {
    this.#level = level;
  }

  /** Rejects with `database_unavailable` when the lock is taken, saying by whom: `holder` of the other one. */
  static async acquire(directory: string, purpose: string, holder: string): Promise<DirectoryLock> {
    const level = new Level(directory);
    try {
      await level.open();
    } catch (error) {
      if (!isLocked(error)) throw error;
      const other = await readFile(holderFile(directory), 'utf8').catch(() => 'unknown');
      throw new AppError<ErrorCode>(
        'database_unavailable',
        `${purpose} is in use by another process (${other.trim()}). Stop that one first, or choose another directory.`,
        { cause: error },
      );
    }
    // For the message above only; the lock does not depend on it.
    await writeFile(holderFile(directory), `${holder}\n`);
    return new DirectoryLock(level);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#level.close();
  }
}

function holderFile(directory: string): string {
  return path.join(directory, 'holder');
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && (error.cause as { code?: string } | undefined)?.code === 'LEVEL_LOCKED';
}
