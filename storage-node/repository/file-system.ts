import * as fs from 'node:fs';
import { promisify } from 'node:util';

/**
 * The calls of the operating system that the disk repository makes. Each but `readNow` resolves when the call has returned
 * and rejects with its error (`code` is the errno's name). Tests put faults in between.
 */
export interface FileSystem {
  /** Flag that makes a file bypass the page cache; undefined where the platform has none. */
  readonly directFlag: number | undefined;
  open(path: string, flags: number): Promise<number>;
  close(descriptor: number): Promise<void>;
  /** May read less than `into` holds; 0 at the end of the file. */
  read(descriptor: number, into: Buffer, position: number): Promise<number>;
  /** The same, holding up everything else until it returns or throws: for what the page cache should have. */
  readNow(descriptor: number, into: Buffer, position: number): number;
  /** May write less than all. */
  write(descriptor: number, pieces: readonly Buffer[], position: number): Promise<number>;
  /** The file's bytes and what is needed to find them are on the disk. */
  syncData(descriptor: number): Promise<void>;
  sync(descriptor: number): Promise<void>;
  /** A second name for a file; rejects with EEXIST when the name is taken. */
  link(existing: string, added: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  /** Undefined when nothing has that name. */
  stat(path: string): Promise<{ readonly inode: number; readonly sizeBytes: number } | undefined>;
  space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

const FILE_MODE = 0o640;

const call = {
  open: promisify(fs.open),
  close: promisify(fs.close),
  fdatasync: promisify(fs.fdatasync),
  fsync: promisify(fs.fsync),
  link: promisify(fs.link),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  mkdir: promisify(fs.mkdir),
  readdir: promisify(fs.readdir),
  stat: promisify(fs.stat),
  statfs: promisify(fs.statfs),
};

/** Plain descriptors and callbacks: `fs.promises` costs a FileHandle object and more a call. */
export const nodeFileSystem: FileSystem = {
  directFlag: fs.constants.O_DIRECT,
  open: (path, flags) => call.open(path, flags, FILE_MODE),
  close: call.close,
  read: (descriptor, into, position) =>
    new Promise((resolve, reject) => {
      fs.read(descriptor, into, 0, into.length, position, (error, count) =>
        error ? reject(error) : resolve(count),
      );
    }),
  readNow: (descriptor, into, position) => fs.readSync(descriptor, into, 0, into.length, position),
  write: (descriptor, pieces, position) =>
    new Promise((resolve, reject) => {
      fs.writev(descriptor, pieces, position, (error, count) => (error ? reject(error) : resolve(count)));
    }),
  syncData: call.fdatasync,
  sync: call.fsync,
  link: call.link,
  rename: call.rename,
  unlink: call.unlink,
  makeDirectory: async (path) => {
    await call.mkdir(path, { recursive: true });
  },
  list: (path) => call.readdir(path),
  async stat(path) {
    try {
      const { ino, size } = await call.stat(path);
      return { inode: ino, sizeBytes: size };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  async space(path) {
    const { bavail, blocks, bsize } = await call.statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },
};

/** The errno's name of a system error, for example `ENOSPC`. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Removes a name; that it was gone already is no error. */
export async function unlinkIfPresent(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
