import { randomBytes } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256, TestCluster, type Video } from './support/test-cluster.ts';

const MIB = 1024 * 1024;
let cluster: TestCluster;
let body: Buffer<ArrayBuffer>;
let video: Video;

beforeAll(async () => {
  cluster = await TestCluster.start();
  body = randomBytes(48 * MIB + 7);
  video = await cluster.upload(body);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Downloads and calls `meanwhile` once, in the middle of it. */
async function downloadWith(meanwhile: () => void | Promise<void>): Promise<Buffer> {
  const response = await cluster.api(`/videos/${video.id}/content`);
  expect(response.status).toBe(200);
  const pieces: Uint8Array[] = [];
  let received = 0;
  let done = false;
  for await (const piece of response.body!) {
    pieces.push(piece);
    received += piece.length;
    if (!done && received > 4 * MIB) {
      done = true;
      await meanwhile();
    }
  }
  return Buffer.concat(pieces);
}

it('a node that stalls in the middle of a chunk is replaced, whichever it is', async () => {
  for (const node of cluster.cluster.nodes) {
    const bytes = await downloadWith(() => node.signal('SIGSTOP'));
    node.signal('SIGCONT');
    expect(sha256(bytes)).toBe(video.sha256);
    await cluster.cluster.untilReady(5);
  }
});

it('nodes that are killed one after the other cost nothing', async () => {
  for (const [index] of cluster.cluster.nodes.entries()) {
    const bytes = await downloadWith(() => cluster.cluster.nodes[index]!.kill());
    expect(sha256(bytes)).toBe(video.sha256);
    await cluster.cluster.restartNode(index);
    await cluster.cluster.untilReady(5);
  }
});

it('without any owner of a chunk the answer is 503 before a byte, or a cut connection, never a short body', async () => {
  const response = await cluster.api(`/videos/${video.id}/content`);
  const reader = response.body!.getReader();
  await reader.read();
  await Promise.all(cluster.cluster.nodes.map((node) => node.kill()));
  const rest = async () => {
    while (!(await reader.read()).done);
  };
  await expect(rest()).rejects.toThrow();
  const refused = await cluster.api(`/videos/${video.id}/content`);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: 'chunk_unavailable' });
  await Promise.all(cluster.cluster.nodes.map((_, index) => cluster.cluster.restartNode(index)));
  await cluster.cluster.untilReady(5);
  expect(sha256(await cluster.download(video.id))).toBe(video.sha256);
});

/** Paths of a node's chunk files. */
async function chunkFiles(index: number): Promise<string[]> {
  const root = join(cluster.cluster.nodeDir(index), 'chunks');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

it('a flipped byte is never served: another owner answers, and the copy is quarantined and reported', {
  timeout: 150_000,
}, async () => {
  // Of the node that is asked first for the beginning of the video.
  const holders = [...(await cluster.holders()).keys()];
  const firstChunk = holders.find((id) => /-0{8}/.test(id))!;
  const located = await (await cluster.api(`/admin/ring/locate?key=${firstChunk}`)).json();
  const owner = await cluster.admin.node((located as { owners: { id: string }[] }).owners[0]!.id);
  const index = cluster.cluster.nodes.findIndex(({ url }) => url === owner.url);
  const files = await chunkFiles(index);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const handle = await open(file, 'r+');
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, 100_000);
    byte[0]! ^= 0x10;
    await handle.write(byte, 0, 1, 100_000);
    await handle.close();
  }
  // Small chunks lie in the index, not in files.
  const entries = (await cluster.chunksOf(index)).filter((entry) => entry.length > MIB);
  // Ranges that start inside the damaged block, and whole downloads, are right all the same.
  for (let round = 0; round < 6; round++) {
    expect(sha256(await cluster.download(video.id))).toBe(video.sha256);
    expect(
      (await cluster.download(video.id, 'bytes=99990-100010')).equals(body.subarray(99_990, 100_011)),
    ).toBe(true);
  }
  // Asked directly, the node refuses its damaged copies, until good ones have taken their place.
  await Promise.allSettled(entries.map((entry) => cluster.chunkBytes(index, entry)));
  for (const entry of entries) {
    const [other] = (await cluster.holders()).get(entry.id)!.filter((holder) => holder !== index);
    const good = await cluster.chunkBytes(other!, entry);
    await expect
      .poll(async () => (await cluster.chunkBytes(index, entry).catch(() => null))?.equals(good), {
        // A repair that failed is tried again after a while.
        timeout: 100_000,
      })
      .toBe(true);
  }
  const metrics = await (await fetch(`${cluster.url}/metrics`)).text();
  expect(metrics).toMatch(/orbitvids_bad_copies_total\S* [1-9]/);
});
