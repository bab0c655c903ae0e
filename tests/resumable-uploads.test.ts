import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Upload, type UploadOptions } from 'tus-js-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CuttingRelay } from '../scripts/trials/cutting-relay.ts';
import { ADMIN_TOKEN, sha256, TestCluster } from './support/test-cluster.ts';

/** A client that is not ours, unchanged, over bad lines and dying coordinators. */

const MIB = 1024 * 1024;
const RECOVER = fileURLToPath(new URL('../scripts/recover-database.ts', import.meta.url));

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ nodeCount: 3 });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

interface Sending {
  readonly upload: Upload;
  /** Resolves with the address of the upload. */
  readonly done: Promise<string>;
}

function send(source: Buffer, base: string, options: UploadOptions = {}): Sending {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const upload = new Upload(source, {
    endpoint: `${base}/api/v1/uploads`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    metadata: { filename: 'über.mp4', filetype: 'video/mp4' },
    retryDelays: Array.from({ length: 60 }, () => 250),
    onError: reject,
    onSuccess: () => resolve(new URL(upload.url!).pathname.replace('/api/v1', '')),
    ...options,
  });
  upload.start();
  return { upload, done: promise };
}

async function videoOf(path: string): Promise<string> {
  const { videoId } = (await (await cluster.api(path)).json()) as { videoId: string };
  return videoId;
}

it('goes on at another coordinator when the first is killed in the middle of a request', async () => {
  const source = randomBytes(40 * MIB + 7);
  // Slow enough to be met on the way.
  await using relay = await CuttingRelay.open({
    target: cluster.url,
    cutAfterBytes: [],
    resets: () => false,
    bytesPerSecond: 24 * MIB,
  });
  const { upload, done } = send(source, relay.url);
  const offset = async () => {
    if (upload.url === null) return 0;
    const path = new URL(upload.url).pathname.replace('/api/v1', '');
    return ((await (await cluster.api(path)).json()) as { offset: number }).offset;
  };
  await expect.poll(offset, { timeout: 30_000, interval: 20 }).toBeGreaterThan(8 * MIB);
  await cluster.cluster.coordinator.kill();
  await cluster.cluster.startCoordinator();
  const id = await videoOf(await done);
  expect(sha256(await cluster.download(id))).toBe(sha256(source));
  // What was stored before was not sent again.
  expect(relay.sentBytes).toBeLessThan(source.length * 1.8);
});

it('sends parts at the same time over lines that break, and the database can be made again from the nodes', async () => {
  const source = randomBytes(20 * MIB + 1);
  await using relay = await CuttingRelay.open({
    target: cluster.url,
    cutAfterBytes: [3 * MIB, 7 * MIB, 8 * MIB, 15 * MIB],
    resets: (cut) => cut % 2 === 0,
    bytesPerSecond: 64 * MIB,
  });
  const { done } = send(source, relay.url, { parallelUploads: 3, chunkSize: 3 * MIB });
  const id = await videoOf(await done);
  expect(relay.cuts).toBe(4);
  expect(sha256(await cluster.download(id))).toBe(sha256(source));
  const described = async () =>
    (await (await cluster.api(`/videos/${id}`)).json()) as { sha256: string | null };
  await expect.poll(async () => (await described()).sha256, { timeout: 20_000 }).toBe(sha256(source));
  const before = await described();

  // The chunks carry the names of the parts, and the record names them.
  await cluster.cluster.coordinator.stop();
  await rm(join(cluster.dataDir, 'coordinator'), { recursive: true });
  const nodes = cluster.cluster.nodes.map(({ url }) => url).join(',');
  const environment = {
    PATH: process.env.PATH,
    CLUSTER_SECRET: cluster.cluster.secret,
    DATA_DIR: cluster.dataDir,
  };
  const child = spawn(process.execPath, [RECOVER, '--nodes', nodes], { env: environment, stdio: 'ignore' });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady(3);
  expect(await described()).toEqual(before);
  expect(sha256(await cluster.download(id))).toBe(sha256(source));
  await cluster.deleteVideo(id);
});
