import { randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256, TestCluster } from './support/test-cluster.ts';
import { type KnownVideo, WatchfulReader } from './support/watchful-reader.ts';

/** Copies that are missing are made again, whatever they are missing for, and without anybody asking for it. */

const MIB = 1024 * 1024;
const WAIT = { timeoutMs: 45_000, pollMs: 50 };
const SIZES = [5 * MIB + 1, 3 * MIB, MIB, 300_000, 70_000, 2000, 700];

let cluster: TestCluster;
const videos: KnownVideo[] = [];

async function upload(size: number): Promise<string> {
  const body = randomBytes(size);
  const { id } = await cluster.upload(body);
  videos.push({ id, body });
  return id;
}

async function remove(id: string): Promise<void> {
  videos.splice(
    videos.findIndex((video) => video.id === id),
    1,
  );
  await cluster.deleteVideo(id);
}

async function expectWhole(): Promise<void> {
  await cluster.untilSettled();
  expect((await cluster.admin.untilComplete(WAIT)).missingCopies).toBe(0);
  for (const { id, body } of videos) expect(sha256(await cluster.download(id))).toBe(sha256(body));
}

beforeAll(async () => {
  cluster = await TestCluster.start({ coordinatorEnv: { CHUNK_SIZE: '1MiB' } });
  for (const size of SIZES) await upload(size);
  await cluster.untilSettled();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('a node that was away gets what it missed, loses what was deleted, and handoffs go home', async () => {
  const index = 1;
  const doomed = await upload(2 * MIB);
  await cluster.untilSettled();
  await cluster.cluster.nodes[index]!.kill();
  await expect.poll(async () => (await cluster.adminNode(index)).health).toBe('down');
  await using reader = new WatchfulReader(
    cluster,
    [...videos].filter(({ id }) => id !== doomed),
  );
  for (const size of SIZES) await upload(size);
  await remove(doomed);
  expect((await cluster.admin.repairStatus()).complete).toBe(false);
  await cluster.cluster.restartNode(index);
  await cluster.cluster.untilReady(5);
  await expectWhole();
  expect((await cluster.api(`/videos/${doomed}/content`)).status).toBe(404);
  expect(await reader.stop()).toEqual([]);
});

it('a node that comes back empty is recognised and filled again', async () => {
  const index = 2;
  const { id } = await cluster.adminNode(index);
  const before = (await cluster.chunksOf(index)).length;
  expect(before).toBeGreaterThan(0);
  await using reader = new WatchfulReader(cluster, videos);
  await cluster.cluster.nodes[index]!.kill();
  const directory = cluster.cluster.nodeDir(index);
  for (const name of await readdir(directory)) {
    if (name !== 'identity.json') await rm(join(directory, name), { recursive: true });
  }
  cluster.checker.forget(id);
  await cluster.cluster.restartNode(index);
  await cluster.cluster.untilReady(5);
  await expectWhole();
  expect((await cluster.chunksOf(index)).length).toBe(before);
  expect(await reader.stop()).toEqual([]);
});

it('a copy that rotted is found by a scrub, set aside and made again', async () => {
  const index = 3;
  const entry = (await cluster.chunksOf(index)).find(({ length }) => length === MIB)!;
  const { position, id } = entry;
  const whole = await cluster.chunkBytes(index, entry);
  const file = join(cluster.cluster.nodeDir(index), 'chunks', position.slice(0, 2), `${position}-${id}`);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([whole[100_000]! ^ 1]), 0, 1, 100_000);
  await handle.close();
  cluster.checker.forget((await cluster.adminNode(index)).id);
  const { url } = cluster.cluster.nodes[index]!;
  await cluster.direct.startScrub(url);
  await expect.poll(async () => (await cluster.direct.scrub(url)).foundCorrupt).toBe(1);
  await expectWhole();
  expect((await cluster.chunkBytes(index, entry)).equals(whole)).toBe(true);
});

it('copies that vanished without a word are found by a census that somebody asks for', async () => {
  const index = 4;
  const entries = (await cluster.chunksOf(index)).slice(0, 3);
  for (const { position, id } of entries)
    expect((await cluster.node(index, 'DELETE', `/chunks/${position}/${id}`)).status).toBe(204);
  cluster.checker.forget((await cluster.adminNode(index)).id);
  await cluster.admin.startRepair();
  await expectWhole();
});
