import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, sha256, TestCluster } from './support/test-cluster.ts';

const MIB = 1024 * 1024;
const PATIENT = { timeout: 30_000, interval: 50 };

async function totalChunks(cluster: TestCluster): Promise<number> {
  return (await cluster.holders()).size;
}

/** Opens an upload by hand, sends `sent` bytes of the `declared` ones, and leaves the rest to the caller. */
async function startUpload(cluster: TestCluster, declared: number, sent: Buffer) {
  const { hostname, port } = new URL(cluster.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.write(
    `POST /api/v1/videos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n` +
      `content-type: video/mp4\r\ncontent-length: ${declared}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.write(sent, () => resolve()));
  return { socket, answer: () => answer };
}

describe('uploads that break off', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('leave no video and no chunk when the client vanishes', async () => {
    const { socket } = await startUpload(cluster, 60 * MIB, randomBytes(20 * MIB));
    await expect.poll(() => totalChunks(cluster), PATIENT).toBeGreaterThan(0);
    socket.destroy();
    await expect.poll(() => totalChunks(cluster), PATIENT).toBe(0);
    expect(await cluster.videoIds()).toEqual([]);
  });

  it('take nothing of a body that is longer than it said', async () => {
    const { answer, socket } = await startUpload(cluster, 1000, randomBytes(1500));
    // Nobody knows where the next request would start: the connection ends.
    await expect.poll(() => socket.closed, PATIENT).toBe(true);
    expect(answer()).toContain('HTTP/1.1 400');
    expect(answer()).toContain('malformed_request');
    for (const id of await cluster.videoIds()) expect((await cluster.download(id)).length).toBe(1000);
  });

  it('refuse an empty body and a wrong digest, and keep nothing of them', async () => {
    const empty = await cluster.api('/videos', { method: 'POST', headers: { 'content-length': '0' } });
    expect([empty.status, (await empty.json()) as object]).toEqual([
      400,
      expect.objectContaining({ code: 'empty_body' }),
    ]);
    const wrong = await cluster.api('/videos', {
      method: 'POST',
      body: randomBytes(9 * MIB),
      headers: { 'content-digest': `sha-256=:${randomBytes(32).toString('base64')}:` },
    });
    expect([wrong.status, (await wrong.json()) as object]).toEqual([
      422,
      expect.objectContaining({ code: 'digest_mismatch' }),
    ]);
    await expect.poll(() => totalChunks(cluster), PATIENT).toBe(0);
    expect(await cluster.videoIds()).toEqual([]);
  });

  it('leave nothing when the coordinator is killed between chunk and manifest', async () => {
    const kept = await cluster.upload(randomBytes(3 * MIB));
    const before = await totalChunks(cluster);
    const { socket } = await startUpload(cluster, 60 * MIB, randomBytes(20 * MIB));
    await expect.poll(() => totalChunks(cluster), PATIENT).toBeGreaterThan(before);
    await cluster.cluster.coordinator.kill();
    socket.destroy();
    await cluster.cluster.startCoordinator();
    await cluster.cluster.untilReady(5);
    await expect.poll(() => totalChunks(cluster), PATIENT).toBe(before);
    expect(await cluster.videoIds()).toEqual([kept.id]);
    expect(sha256(await cluster.download(kept.id))).toBe(kept.sha256);
  });
});

describe('nodes that are missing', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('do not keep a chunk from having three copies', async () => {
    await cluster.cluster.nodes[1]!.kill();
    const body = randomBytes(30 * MIB);
    const video = await cluster.upload(body);
    await expect
      .poll(async () => [...(await cluster.holders()).values()].map((nodes) => nodes.length), PATIENT)
      .toEqual([3, 3, 3, 3, 3]);
    expect(sha256(await cluster.download(video.id))).toBe(sha256(body));
  });

  it('stop uploads with 503 when no quorum is left, and uploads work again afterwards', async () => {
    for (const index of [2, 3, 4]) await cluster.cluster.nodes[index]!.kill();
    const refused = await cluster.api('/videos', { method: 'POST', body: randomBytes(MIB) });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await refused.json()).toMatchObject({ code: 'write_quorum_unavailable' });
    for (const index of [1, 2, 3, 4]) await cluster.cluster.restartNode(index);
    await cluster.cluster.untilReady(5);
    const body = randomBytes(9 * MIB);
    expect(sha256(await cluster.download((await cluster.upload(body)).id))).toBe(sha256(body));
  });

  it('are swept of deleted chunks when they come back', async () => {
    const video = await cluster.upload(randomBytes(20 * MIB));
    const held = async (index: number) => (await cluster.chunksOf(index)).length;
    const before = await held(0);
    expect(before).toBeGreaterThan(0);
    await cluster.cluster.nodes[0]!.kill();
    for (const id of await cluster.videoIds()) {
      expect((await cluster.api(`/videos/${id}`, { method: 'DELETE' })).status).toBe(204);
    }
    expect((await cluster.api(`/videos/${video.id}/content`)).status).toBe(404);
    await cluster.cluster.restartNode(0);
    await expect.poll(() => totalChunks(cluster), PATIENT).toBe(0);
  });
});

describe('nodes that are full', () => {
  it('give their copies to others, and when all are full uploads end with 507', async () => {
    await using cluster = await TestCluster.start({ nodeCount: 4, nodeCapacity: '48MiB' });
    const stored: { id: string; sha256: string }[] = [];
    let refusal: Response | undefined;
    for (let round = 0; round < 12 && !refusal; round++) {
      const response = await cluster.api('/videos', { method: 'POST', body: randomBytes(8 * MIB) });
      if (response.status === 201) stored.push((await response.json()) as { id: string; sha256: string });
      else refusal = response;
    }
    expect(refusal?.status).toBe(507);
    expect(await refusal!.json()).toMatchObject({ code: 'insufficient_storage' });
    // 4 nodes of 48 MiB hold at most 8 chunks of 8 MiB three times; some of them lie on nodes that do not own them.
    expect(stored.length).toBeGreaterThanOrEqual(5);
    for (const video of stored) expect(sha256(await cluster.download(video.id))).toBe(video.sha256);
    for (const index of [0, 1, 2, 3]) {
      const stats = await cluster.nodeStats(index);
      expect(stats.usedBytes).toBeLessThanOrEqual(stats.capacityBytes);
    }
    await cluster.api(`/videos/${stored[0]!.id}`, { method: 'DELETE' });
    await expect
      .poll(
        async () => (await cluster.api('/videos', { method: 'POST', body: randomBytes(MIB) })).status,
        PATIENT,
      )
      .toBe(201);
  });
});
