import { readdir, readFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { expect, it } from 'vitest';
import { systemClock } from '../lib/clock/clock.ts';
import { nodeHealthSchema, nodeStatsSchema } from '../lib/node-api/schema.ts';
import { readNodeConfig } from './config.ts';
import { NodeIdentity } from './identity.ts';
import { DiskVideoRepository } from './repository/disk-video-repository.ts';
import { startNode } from './start-node.ts';
import { bytesOf, idOf } from './test-support/chunks.ts';
import { chunkFilePath, recordingLogger } from './test-support/disk-repository.ts';
import { signed, TEST_SECRET } from './test-support/running-node.ts';
import { temporaryDirectory } from './test-support/temporary-directory.ts';

const LARGE = 70_000;
const SMALL = 500;

/** Starts a node on the directory, asks it who it is, and stops it. */
async function visit(
  directory: string,
): Promise<{ nodeId: string; dataId: string; logged: boolean; lost: number }> {
  const { logger, lines } = recordingLogger();
  const stop = new AbortController();
  await using stack = new AsyncDisposableStack();
  const config = readNodeConfig(['--dir', directory, '--port', '0'], { CLUSTER_SECRET: TEST_SECRET });
  const { url } = await startNode(config, { clock: systemClock, logger, stack, signal: stop.signal });
  stack.defer(() => stop.abort());
  const health = nodeHealthSchema.parse(await (await fetch(`${url}/healthz`)).json());
  const stats = nodeStatsSchema.parse(await (await fetch(url + signed('GET', '/stats'))).json());
  expect(stats).toMatchObject({ nodeId: health.nodeId, dataId: health.dataId });
  return {
    ...health,
    logged: lines.some(({ event }) => event === 'data_id_changed'),
    lost: stats.lostCount!,
  };
}

/** Chunks in files (1 to 3) and in the index alone (4 to 6), put by somebody who stopped in good order. */
async function filled(directory: string): Promise<void> {
  await using repository = await DiskVideoRepository.open({
    directory,
    capacityBytes: undefined,
    clock: systemClock,
    logger: recordingLogger().logger,
  });
  for (let number = 1; number <= 6; number++) {
    const bytes = bytesOf(number, number <= 3 ? LARGE : SMALL);
    await repository.put({ position: number, id: idOf(number), bytes });
  }
}

async function indexFiles(directory: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(join(directory, 'index'));
  return names.filter((name) => pattern.test(name)).map((name) => join(directory, 'index', name));
}

it('keeps the id of the data over restarts, and what a crash leaves', async () => {
  const directory = await temporaryDirectory();
  const first = await visit(directory);
  expect(first.logged).toBe(false);
  await filled(directory);
  // An unfinished write, and one that was linked and never acknowledged.
  await writeFile(join(directory, 'tmp', `00000009-${idOf(9)}.0`), 'half a chunk');
  await writeFile(join(directory, 'lock'), '');
  expect(await visit(directory)).toEqual({ ...first, logged: false });
  expect(await visit(directory)).toEqual({ ...first, logged: false });
});

it.each<[string, (directory: string) => Promise<void>]>([
  [
    'index and chunks are gone',
    async (directory) => {
      for (const name of ['index', 'chunks']) await rm(join(directory, name), { recursive: true });
    },
  ],
  ['the index is gone', (directory) => rm(join(directory, 'index'), { recursive: true })],
  ['the chunk files are gone', (directory) => rm(join(directory, 'chunks'), { recursive: true })],
  ['one chunk file is gone', (directory) => unlink(chunkFilePath(directory, 2, idOf(2)))],
  [
    'the index is that of another node',
    async (directory) => {
      const other = await temporaryDirectory();
      await visit(other);
      await rm(join(directory, 'index'), { recursive: true });
      await rename(join(other, 'index'), join(directory, 'index'));
      await rm(join(directory, 'chunks'), { recursive: true });
    },
  ],
  [
    'the index had to be repaired',
    async (directory) => {
      for (const path of await indexFiles(directory, /^MANIFEST/)) await truncate(path, 0);
    },
  ],
  [
    'entries are missing from the index',
    async (directory) => {
      for (const path of await indexFiles(directory, /\.log$/)) await truncate(path, 40);
    },
  ],
])('changes the id of the data when %s, once', async (_what, damage) => {
  const directory = await temporaryDirectory();
  const before = await visit(directory);
  await filled(directory);
  await damage(directory);
  const after = await visit(directory);
  expect(after.nodeId).toBe(before.nodeId);
  expect(after.dataId).not.toBe(before.dataId);
  expect(after.logged).toBe(true);
  expect(await visit(directory)).toEqual({ ...after, logged: false, lost: 0 });
});

it('knows of the loss also when the start that found it did not come to an end', async () => {
  const directory = await temporaryDirectory();
  const before = await visit(directory);
  await filled(directory);
  await unlink(chunkFilePath(directory, 2, idOf(2)));
  // As far as the repair, then a crash: the index has forgotten the chunk.
  const identity = await NodeIdentity.open(directory);
  const repository = await DiskVideoRepository.open({
    directory,
    capacityBytes: undefined,
    clock: systemClock,
    logger: recordingLogger().logger,
    onLoss: () => identity.setDataId('018f2b4e-7a6f-7c1d-9b3a-0a1b2c3d4e5f'),
  });
  expect(repository.repaired.lost).toBe(1);
  await repository[Symbol.asyncDispose]();
  const after = await visit(directory);
  expect(after).toMatchObject({ logged: true, lost: 0 });
  expect(after.dataId).not.toBe(before.dataId);
});

it('keeps the id when a damaged entry was made again from its file', async () => {
  const directory = await temporaryDirectory();
  await visit(directory);
  await filled(directory);
  const before = await visit(directory);
  const options = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
  const index = new Level<Buffer, Buffer>(join(directory, 'index'), options);
  let damaged = 0;
  for await (const [key, value] of index.iterator()) {
    if (!key.includes(idOf(3))) continue;
    value[12]! ^= 1;
    await index.put(key, value, { sync: true } as object);
    damaged++;
  }
  await index.close();
  expect(damaged).toBe(1);
  expect(await visit(directory)).toEqual(before);
});

it('gives an id to data of a version that had none', async () => {
  const directory = await temporaryDirectory();
  const { nodeId } = await visit(directory);
  const path = join(directory, 'identity.json');
  const { dataId: _, ...old } = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify(old));
  await rm(join(directory, 'index'), { recursive: true });
  const after = await visit(directory);
  expect(after.nodeId).toBe(nodeId);
  expect(await visit(directory)).toEqual({ ...after, logged: false });
});
