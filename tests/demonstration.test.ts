import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256, TestCluster } from './support/test-cluster.ts';

/** The README's demonstration, with the same steps. */

const MIB = 1024 * 1024;
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('stores a file on three nodes each chunk, reads it back, and survives a node killed during the download', async () => {
  const body = randomBytes(40 * MIB + 12_345);
  const video = await cluster.upload(body, '?filename=clip.mp4');
  expect(video).toMatchObject({ size: body.length, sha256: sha256(body) });

  // Six chunks, and the video's record.
  await expect
    .poll(async () => [...(await cluster.holders()).values()].map((nodes) => nodes.length))
    .toEqual([3, 3, 3, 3, 3, 3, 3]);
  expect(sha256(await cluster.download(video.id))).toBe(video.sha256);

  const response = await cluster.api(`/videos/${video.id}/content`);
  const reader = response.body!.getReader();
  const pieces: Uint8Array[] = [];
  for (let received = 0, killed = false; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    received += value.length;
    if (!killed && received > 5 * MIB) {
      killed = true;
      await cluster.cluster.nodes[0]!.kill();
      await cluster.cluster.nodes[3]!.kill();
    }
  }
  expect(sha256(Buffer.concat(pieces))).toBe(video.sha256);
  expect(sha256(await cluster.download(video.id))).toBe(video.sha256);

  await Promise.all([0, 3].map((index) => cluster.cluster.restartNode(index)));
  await cluster.cluster.untilReady(5);
  expect(sha256(await cluster.download(video.id))).toBe(video.sha256);
});
