import { constants } from 'node:fs';
import { readdir, readFile, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { chunkTarget } from '../../lib/node-api/targets.ts';
import { DISK_FREE_BYTES_MIN } from '../limits.ts';
import { until } from '../test-support/byte-server.ts';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import {
  chunkFilePath,
  flipBit,
  openDiskRepository,
  recordingLogger,
} from '../test-support/disk-repository.ts';
import { problemOf, signed, startTestNode } from '../test-support/running-node.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import { storedBytes } from './capacity.ts';
import type { DiskVideoRepository } from './disk-video-repository.ts';
import { type FileSystem, nodeFileSystem } from './file-system.ts';

const LENGTH = 300_000;
const CHUNK = { position: 0xabcd_0123, id: idOf(1), bytes: bytesOf(1, LENGTH) };

function systemError(code: string, syscall = 'write'): Error {
  return Object.assign(new Error(`${code}: made up`), { code, syscall });
}

/** Fails the named calls while `armed`. */
function faulty(faults: Partial<FileSystem>): { fileSystem: FileSystem; arm(on: boolean): void } {
  let armed = false;
  const fileSystem = { ...nodeFileSystem };
  for (const [name, fault] of Object.entries(faults)) {
    const sound = nodeFileSystem[name as 'read'] as (...args: unknown[]) => unknown;
    Object.assign(fileSystem, {
      [name]: (...args: unknown[]) => (armed ? (fault as typeof sound) : sound)(...args),
    });
  }
  return {
    fileSystem,
    arm(on) {
      armed = on;
    },
  };
}

async function filesOf(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('index'))
    .map((entry) => entry.name)
    .sort();
}

async function readAll(repository: DiskVideoRepository, position: number, id: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const reading = await repository.open(position, id);
  await reading!.send(0, reading!.entry.length - 1, async (piece) => void pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces);
}

it.each(['ENOSPC', 'EDQUOT'])('leaves nothing of a write that met %s, and recovers', async (code) => {
  const directory = await temporaryDirectory();
  const disk = faulty({ write: () => Promise.reject(systemError(code)) });
  const repository = await openDiskRepository(directory, { fileSystem: disk.fileSystem });
  const before = repository.stats();
  disk.arm(true);
  await expect(repository.put(CHUNK)).rejects.toMatchObject({ code: 'insufficient_storage' });
  expect(await filesOf(directory)).toEqual([]);
  expect(repository.stats()).toEqual({ ...before, disk: 'full' });
  disk.arm(false);
  expect(await repository.put(CHUNK)).toBe('created');
  expect(repository.stats().disk).toBe('ok');
});

it.each(['syncData', 'link', 'sync'] as const)('acknowledges nothing when %s fails', async (call) => {
  const directory = await temporaryDirectory();
  const disk = faulty({ [call]: () => Promise.reject(systemError('EIO')) });
  const repository = await openDiskRepository(directory, { fileSystem: disk.fileSystem });
  disk.arm(true);
  await expect(repository.put(CHUNK)).rejects.toMatchObject({ code: 'disk_failing' });
  disk.arm(false);
  // An I/O error is not forgotten: nothing is written before somebody has looked.
  expect(repository.stats().disk).toBe('failing');
  await expect(repository.put(CHUNK)).rejects.toMatchObject({ code: 'disk_failing' });
  await expect(repository.reserve(1)).rejects.toMatchObject({ code: 'disk_failing' });
  expect(await repository.stat(CHUNK.position, CHUNK.id)).toBeUndefined();
  expect(await filesOf(directory)).toEqual([]);
});

it('takes a disk for failing whose files cannot be read, and says so', async () => {
  const disk = faulty({ read: () => Promise.reject(systemError('EIO', 'read')) });
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem: disk.fileSystem });
  const node = await startTestNode({ repository });
  await repository.put(CHUNK);
  expect((await fetch(`${node.url}/healthz`)).status).toBe(200);
  disk.arm(true);
  const response = await node.request('GET', chunkTarget(CHUNK.position, CHUNK.id));
  expect(await problemOf(response)).toEqual({ status: 503, code: 'disk_failing' });
  expect(await problemOf(await fetch(`${node.url}/healthz`))).toEqual({ status: 503, code: 'disk_failing' });
  expect(await (await node.request('GET', '/stats')).json()).toMatchObject({ disk: 'failing' });
  // The chunk is not to blame.
  disk.arm(false);
  expect((await readAll(repository, CHUNK.position, CHUNK.id)).equals(CHUNK.bytes)).toBe(true);
});

it('refuses writes while the disk itself is nearly full, whatever the capacity', async () => {
  let freeBytes = DISK_FREE_BYTES_MIN + 2 * storedBytes(LENGTH);
  const fileSystem: FileSystem = { ...nodeFileSystem, space: async () => ({ freeBytes, totalBytes: 1e12 }) };
  let nowMs = 0;
  const clock = { nowMs: () => 1, monotonicMs: () => nowMs, after: () => () => {}, sleep: async () => {} };
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem, clock });
  const reservation = await repository.reserve(LENGTH);
  await repository.reserve(LENGTH);
  await expect(repository.reserve(1)).rejects.toMatchObject({ code: 'insufficient_storage' });
  expect(repository.stats().disk).toBe('full');
  reservation.release();
  nowMs = 5000;
  freeBytes *= 2;
  await repository.reserve(LENGTH);
});

it('derives the capacity from the disk when it is given none', async () => {
  const directory = await temporaryDirectory();
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    space: async () => ({ freeBytes: 40e9, totalBytes: 100e9 }),
  };
  const repository = await openDiskRepository(directory, { fileSystem, capacityBytes: undefined });
  const { capacityBytes, usedBytes } = repository.stats();
  expect(capacityBytes).toBe(40e9 - 5e9 + usedBytes);
  await repository.put(CHUNK);
  await repository[Symbol.asyncDispose]();
  const again = await openDiskRepository(directory, { fileSystem, capacityBytes: undefined });
  expect(again.stats().capacityBytes).toBe(capacityBytes + storedBytes(LENGTH));
});

it('never takes more of the disk than the capacity', async () => {
  const directory = await temporaryDirectory();
  const capacityBytes = 24 * 1024 * 1024;
  const repository = await openDiskRepository(directory, { capacityBytes });
  const lengths = [1, 4096, 4097, 65_536, 700_000, 100];
  let stored = 0;
  for (let full = false; !full; ) {
    const puts = Array.from({ length: 24 }, (_, index) => {
      const number = stored + index;
      const bytes = bytesOf(number, lengths[number % lengths.length]!);
      return repository.put({ position: (number * 0x9e37_79b1) >>> 0, id: idOf(number), bytes });
    });
    const results = await Promise.allSettled(puts);
    stored += results.length;
    full = results.some((result) => result.status === 'rejected');
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'insufficient_storage' });
    }
  }
  const names = await readdir(directory, { recursive: true });
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).blocks * 512),
  );
  // The directories that are always there count as nobody's.
  const directories = 260 * 4096;
  expect(sizes.reduce((sum, size) => sum + size, 0) - directories).toBeLessThanOrEqual(capacityBytes);
  expect(repository.stats().usedBytes).toBeGreaterThan(capacityBytes - 800_000);
});

it.each([
  ['open', 'on a file system without direct I/O'],
  ['write', 'from memory that direct I/O does not take'],
] as const)('falls back to the page cache when %s says EINVAL', async (syscall, _where) => {
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    open(path, flags) {
      if (syscall === 'open' && (flags & constants.O_DIRECT) !== 0) throw systemError('EINVAL', 'open');
      return nodeFileSystem.open(path, flags);
    },
  };
  const directory = await temporaryDirectory();
  const repository = await openDiskRepository(directory, { fileSystem });
  // One byte off a page border.
  const pool = new BufferPool({ bufferBytes: 512 * 1024, capacity: 1 });
  const offset = syscall === 'write' ? 1 : 0;
  const bytes = (await pool.take()).bytes.subarray(offset, offset + LENGTH);
  CHUNK.bytes.copy(bytes);
  await repository.put({ ...CHUNK, bytes });
  expect((await readAll(repository, CHUNK.position, CHUNK.id)).equals(CHUNK.bytes)).toBe(true);
  expect(await repository.verify(CHUNK.position, CHUNK.id)).toBe('ok');
});

it('goes on after short writes', async () => {
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    write: (descriptor, pieces, position) =>
      nodeFileSystem.write(descriptor, [pieces[0]!.subarray(0, 4096 * 3)], position),
  };
  const directory = await temporaryDirectory();
  const repository = await openDiskRepository(directory, { fileSystem });
  await repository.put(CHUNK);
  expect((await readAll(repository, CHUNK.position, CHUNK.id)).equals(CHUNK.bytes)).toBe(true);
  expect(await repository.verify(CHUNK.position, CHUNK.id)).toBe('ok');
});

it('writes, syncs, names, syncs the directory, and only then tells the index', async () => {
  const calls: string[] = [];
  let recording = false;
  const directory = await temporaryDirectory();
  const record =
    <Name extends 'write' | 'syncData' | 'link' | 'sync' | 'unlink'>(name: Name) =>
    async (...args: unknown[]) => {
      const result = await (nodeFileSystem[name] as (...args: unknown[]) => Promise<unknown>)(...args);
      if (!recording) return result;
      const log = (await readdir(join(directory, 'index'))).find((file) => file.endsWith('.log'));
      const indexed = log && (await readFile(join(directory, 'index', log))).includes(CHUNK.id);
      calls.push(indexed ? `${name} after the index` : name);
      return result;
    };
  const names = ['write', 'syncData', 'link', 'sync', 'unlink'] as const;
  const recorded = Object.fromEntries(names.map((name) => [name, record(name)]));
  const repository = await openDiskRepository(directory, {
    fileSystem: { ...nodeFileSystem, ...recorded } as FileSystem,
  });
  recording = true;
  const { bytes } = await new BufferPool({ bufferBytes: 512 * 1024, capacity: 1 }).take();
  await repository.put({ ...CHUNK, bytes: bytes.subarray(0, LENGTH) });
  await repository[Symbol.asyncDispose]();
  expect(calls).toEqual(['write', 'syncData', 'link', 'sync', 'unlink after the index']);
});

it('lets concurrent writes share syncs of the index and of a directory', async () => {
  let directorySyncs = 0;
  let linked = 4;
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    async link(existing, added) {
      await nodeFileSystem.link(existing, added);
      linked++;
    },
    async sync(descriptor) {
      directorySyncs++;
      // As slow as three more writes, which then wait for the next one together.
      await until(() => linked >= 4);
      return nodeFileSystem.sync(descriptor);
    },
  };
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem });
  directorySyncs = 0;
  linked = 0;
  const inline = Array.from({ length: 200 }, (_, number) => ({
    position: number,
    id: idOf(number),
    bytes: bytesOf(number, 100),
  }));
  await Promise.all(inline.map((chunk) => repository.put(chunk)));
  expect(repository.indexCommits).toBeLessThan(50);
  const files = Array.from({ length: 12 }, (_, number) => ({ ...CHUNK, id: idOf(1000 + number) }));
  await Promise.all(files.map((chunk) => repository.put(chunk)));
  expect(directorySyncs).toBeLessThanOrEqual(10);
});

it.each([0, 65_536, 131_073, LENGTH - 1])('never serves a flipped bit, here at %i', async (offset) => {
  const directory = await temporaryDirectory();
  const { logger, lines } = recordingLogger();
  const repository = await openDiskRepository(directory, { logger });
  const node = await startTestNode({ repository });
  await repository.put(CHUNK);
  await flipBit(chunkFilePath(directory, CHUNK.position, CHUNK.id), offset);
  const target = chunkTarget(CHUNK.position, CHUNK.id);
  // A range that starts in the middle of a block and does not touch the damaged byte itself.
  const block = Math.floor(offset / 65_536) * 65_536;
  const first = block + (offset === block ? 500 : 0);
  const response = await node.request('GET', target, { headers: { range: `bytes=${first}-${first + 10}` } });
  expect(await problemOf(response)).toEqual({ status: 500, code: 'chunk_corrupt' });
  expect((await node.request('GET', target)).status).toBe(404);
  expect(await (await node.request('GET', '/stats')).json()).toMatchObject({
    quarantinedCount: 1,
    chunkCount: 0,
  });
  expect(lines).toContainEqual(expect.objectContaining({ event: 'chunk_quarantined', id: CHUNK.id }));

  // The bytes are kept beside a note, also over a restart, and count.
  const kept = await filesOf(join(directory, 'quarantine'));
  expect(kept).toHaveLength(2);
  const note = JSON.parse(await readFile(join(directory, 'quarantine', kept[1]!), 'utf8'));
  expect(note).toMatchObject({ id: CHUNK.id, length: LENGTH, reason: expect.stringContaining('block') });
  await repository[Symbol.asyncDispose]();
  const reopened = await openDiskRepository(directory);
  expect(reopened.stats()).toMatchObject({ quarantinedCount: 1, chunkCount: 0 });
  expect(reopened.stats().usedBytes).toBe(repository.stats().usedBytes);
  expect(reopened.repaired).toMatchObject({ lost: 0, recovered: 0, leftovers: 0 });
});

it('notices a file that is gone, too short, or has another trailer', async () => {
  const directory = await temporaryDirectory();
  const repository = await openDiskRepository(directory);
  const put = (number: number) => repository.put({ ...CHUNK, id: idOf(number) });
  const path = (number: number) => chunkFilePath(directory, CHUNK.position, idOf(number));
  await Promise.all([1, 2, 3].map(put));
  await unlink(path(1));
  await expect(readAll(repository, CHUNK.position, idOf(1))).rejects.toMatchObject({ code: 'chunk_corrupt' });
  await truncate(path(2), 100_000);
  await expect(readAll(repository, CHUNK.position, idOf(2))).rejects.toMatchObject({ code: 'chunk_corrupt' });
  await flipBit(path(3), (await stat(path(3))).size - 4000);
  expect(await repository.verify(CHUNK.position, idOf(3))).toBe('quarantined');
  expect(repository.stats()).toMatchObject({ chunkCount: 0, quarantinedCount: 3 });
});

it('serves others while many clients take nothing', async () => {
  const repository = await openDiskRepository(await temporaryDirectory());
  const node = await startTestNode({ repository });
  const bytes = bytesOf(1, 8 * 1024 * 1024);
  await repository.put({ ...CHUNK, bytes });
  const target = chunkTarget(CHUNK.position, CHUNK.id);
  const stalled = Array.from({ length: 24 }, () => {
    const client = new RawClient(node.port);
    client.pause();
    client.send(`GET ${signed('GET', target)} HTTP/1.1`, 'host: x');
    return client;
  });
  for (let round = 0; round < 3; round++) {
    const got = Buffer.from(await (await node.request('GET', target)).arrayBuffer());
    expect(got.equals(bytes)).toBe(true);
  }
  for (const client of stalled) client[Symbol.dispose]();
});

it('tells of a chunk that is set aside when it can be listed, not while it is on its way', async () => {
  const moved: (() => void)[] = [];
  const disk = faulty({
    rename: async (...paths: Parameters<FileSystem['rename']>) => {
      await new Promise<void>((resume) => moved.push(resume));
      await nodeFileSystem.rename(...paths);
    },
  });
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem: disk.fileSystem });
  const chunks = [CHUNK, { ...CHUNK, id: idOf(2) }];
  for (const chunk of chunks) await repository.put(chunk);
  disk.arm(true);
  const before = repository.stats().lastQuarantinedAt;
  const under = chunks.map(({ position, id }) => repository.quarantine(position, id, 'rot'));
  await until(() => moved.length === 2);
  expect(repository.stats()).toMatchObject({ quarantinedCount: 0, lastQuarantinedAt: before });
  // The one that was begun last comes first.
  moved[1]!();
  await under[1];
  const first = repository.stats().lastQuarantinedAt;
  expect((await repository.listQuarantine({ limit: 10 })).chunks).toHaveLength(1);
  moved[0]!();
  await under[0];
  expect(first).toBeGreaterThan(before ?? -1);
  expect(repository.stats().lastQuarantinedAt).toBeGreaterThan(first!);
});
