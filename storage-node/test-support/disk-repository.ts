import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { createLogger, type Logger } from '../../lib/logging/logger.ts';
import { chunkName } from '../repository/chunk-name.ts';
import { type DiskRepositoryOptions, DiskVideoRepository } from '../repository/disk-video-repository.ts';

/** Opens a repository that is closed with the test, at the latest. */
export async function openDiskRepository(
  directory: string,
  options: Partial<DiskRepositoryOptions> = {},
): Promise<DiskVideoRepository> {
  const repository = await DiskVideoRepository.open({
    directory,
    capacityBytes: 512 * 1024 * 1024,
    clock: systemClock,
    logger: silentLogger(),
    ...options,
  });
  let open = true;
  const close = repository[Symbol.asyncDispose].bind(repository);
  repository[Symbol.asyncDispose] = async () => {
    if (!open) return;
    open = false;
    await close();
  };
  onTestFinished(() => repository[Symbol.asyncDispose]());
  return repository;
}

export function silentLogger(): Logger {
  return createLogger({ name: 'test', level: 'silent' });
}

/** A logger that keeps what it is told. */
export function recordingLogger(): { logger: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(
    { name: 'test', level: 'info' },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  return { logger, lines };
}

export function chunkFilePath(directory: string, position: number, id: string): string {
  const name = chunkName(position, id);
  return join(directory, 'chunks', name.slice(0, 2), name);
}

/** Flips a bit of a file. */
export async function flipBit(path: string, offset: number, bit = 0): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offset);
    byte[0]! ^= 1 << bit;
    await file.write(byte, 0, 1, offset);
    await file.sync();
  } finally {
    await file.close();
  }
}
