import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { copyMigratedPglite } from '../coordinator/database/test-support/pglite-template.ts';
import type { RecoveryReport } from '../coordinator/recovery/report.ts';
import { sha256, TestCluster } from './support/test-cluster.ts';

/** The database is lost, and made again from the storage nodes by the script that an operator would run. */

const SCRIPT = fileURLToPath(new URL('../scripts/recover-database.ts', import.meta.url));
const MIB = 1024 * 1024;
const PATIENT = { timeout: 20_000, interval: 50 };
let cluster: TestCluster;
afterEach(() => cluster?.[Symbol.asyncDispose]());

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function recover(args: readonly string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    env: {
      PATH: process.env.PATH,
      CLUSTER_SECRET: cluster.cluster.secret,
      DATA_DIR: cluster.dataDir,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

const nodeUrls = () => cluster.cluster.nodes.map(({ url }) => url).join(',');
const databaseDir = () => join(cluster.dataDir, 'coordinator');
const describeAll = async () => {
  const { items } = (await (await cluster.api('/videos?limit=100')).json()) as {
    items: { id: string; sha256: string }[];
  };
  const etags = await Promise.all(
    items.map(async ({ id }) => (await cluster.api(`/videos/${id}`)).headers.get('etag')),
  );
  return items.map((item, index) => ({ ...item, etag: etags[index] }));
};

/** Without `isMade` the new one has to be made first, which takes PGlite seconds. */
async function loseDatabase({ isMade = true } = {}): Promise<void> {
  await cluster.cluster.coordinator.stop();
  await rm(databaseDir(), { recursive: true });
  if (isMade) await copyMigratedPglite(databaseDir());
}

async function edit(id: string, changes: Record<string, string>): Promise<void> {
  const response = await cluster.api(`/videos/${id}`, {
    method: 'PATCH',
    body: JSON.stringify(changes),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status).toBe(200);
}

it('brings back every video as it was, and none that was deleted', async () => {
  cluster = await TestCluster.start();
  // A coordinator that runs is refused, after some seconds in which it might have stopped.
  const running = recover(['--nodes', nodeUrls()]);
  const large = randomBytes(27 * MIB + 5);
  const small = randomBytes(300);
  const uploaded = [
    await cluster.upload(large, '?filename=large.mp4&description=Two%20lines%0Ahere'),
    await cluster.upload(small, '?title=Small'),
    await cluster.upload(randomBytes(2 * MIB), '?title=First'),
  ];
  const deleted = await cluster.upload(randomBytes(MIB), '?title=Deleted');
  await edit(uploaded[2]!.id, { title: 'Second' });
  await edit(uploaded[2]!.id, { title: 'Third — ünïcode', filename: 'third.webm' });
  expect((await cluster.api(`/videos/${deleted.id}`, { method: 'DELETE' })).status).toBe(204);
  const captions = `/videos/${uploaded[1]!.id}/attachments/en.vtt`;
  const attached = await cluster.api(`${captions}?language=en`, { method: 'PUT', body: 'WEBVTT\n' });
  expect(attached.status).toBe(201);
  // Four data chunks, one each of the others and of the captions, and three records with one copy less at worst.
  await expect
    .poll(async () => [...(await cluster.holders()).values()].map((nodes) => nodes.length), PATIENT)
    .toEqual(Array(10).fill(3));
  const before = await describeAll();
  const holdersBefore = await cluster.holders();

  expect(await running).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('in use by another process'),
  });
  // And so is a database that is not empty.
  await cluster.cluster.coordinator.stop();
  const full = await recover(['--nodes', nodeUrls()]);
  expect(full).toMatchObject({ code: 2, stderr: expect.stringContaining('not empty') });

  await loseDatabase({ isMade: false });
  const dry = await recover(['--nodes', nodeUrls(), '--dry-run', '--json']);
  expect(dry.code, dry.stderr).toBe(0);
  expect(JSON.parse(dry.stdout)).toMatchObject({ videos: { recovered: 3 }, written: false });
  const recovered = await recover(['--nodes', nodeUrls(), '--json']);
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(recovered.stderr).toContain('listing the storage nodes');
  const report = JSON.parse(recovered.stdout) as RecoveryReport;
  const size = large.length + small.length + 2 * MIB;
  expect(report).toMatchObject({
    videos: { recovered: 3, bytes: size },
    chunks: { complete: 10, short: 0, missing: 0 },
    incompleteVideos: { total: 0 },
    damagedRecords: { total: 0 },
    doubtful: { total: 0 },
    strays: { chunks: 0 },
    ring: { movedSlots: 0, copiesInPlace: 30, copiesWanted: 30 },
    undecided: [],
    written: true,
  });
  // Three owners of every range that holds one of the ten chunks; two may lie in the same.
  expect(report.ring!.inferredSlots).toBeLessThanOrEqual(30);
  expect(report.ring!.inferredSlots).toBeGreaterThanOrEqual(18);

  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady(5);
  expect(await describeAll()).toEqual(before);
  for (const { id, sha256: digest } of before) expect(sha256(await cluster.download(id))).toBe(digest);
  expect((await cluster.api(`/videos/${deleted.id}`)).status).toBe(404);
  const found = await cluster.api(captions);
  expect([await found.text(), found.headers.get('etag')]).toEqual(['WEBVTT\n', attached.headers.get('etag')]);
  // The sweep, which runs twice a second, finds nothing to remove; changes and uploads go on.
  await edit(uploaded[1]!.id, { title: 'Changed' });
  const later = await cluster.upload(large.subarray(0, 9 * MIB));
  expect(sha256(await cluster.download(later.id))).toBe(later.sha256);
  const holders = await cluster.holders();
  const isRecord = (id: string) => id.includes('-r');
  for (const [id, nodes] of holdersBefore) if (!isRecord(id)) expect(holders.get(id)).toEqual(nodes);
  expect(await cluster.videoIds()).toHaveLength(4);

  // A second recovery over the recovered database is refused.
  await cluster.cluster.coordinator.stop();
  expect(await recover(['--nodes', nodeUrls()])).toMatchObject({ code: 2 });
}, 120_000);

it('asks about a video whose deletion a node missed, and obeys', async () => {
  cluster = await TestCluster.start({ nodeCount: 4 });
  const deleted = await cluster.upload(randomBytes(1000), '?title=Deleted');
  const copied = async () => [...(await cluster.holders()).values()].every((nodes) => nodes.length === 3);
  await expect.poll(copied, PATIENT).toBe(true);
  const [record, holders] = [...(await cluster.holders())].find(([id]) => id.includes('-r'))!;
  const kept = await cluster.upload(randomBytes(5000), '?title=Kept');
  await expect.poll(copied, PATIENT).toBe(true);
  // A node with a copy of the record is away while the video is deleted, and comes back when the database is gone.
  const index = holders[0]!;
  await cluster.cluster.nodes[index]!.kill();
  await cluster.cluster.untilReady(3);
  expect((await cluster.api(`/videos/${deleted.id}`, { method: 'DELETE' })).status).toBe(204);
  await loseDatabase();
  await cluster.cluster.restartNode(index);
  expect((await cluster.holders()).get(record)).toEqual([index]);

  const args = ['--nodes', nodeUrls(), '--json'];
  const asked = await recover(args);
  expect(asked.code, asked.stderr).toBe(3);
  const report = JSON.parse(asked.stdout) as RecoveryReport;
  expect(report).toMatchObject({
    written: false,
    doubtful: { total: 1, items: [{ videoId: deleted.id, copies: 1 }] },
  });
  expect(report.undecided).toEqual([expect.stringContaining('--doubtful leave-out')]);
  const told = await recover([...args, '--doubtful', 'leave-out']);
  expect(told.code, told.stderr).toBe(0);
  expect(JSON.parse(told.stdout)).toMatchObject({ written: true, videos: { recovered: 1 } });
  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady(4);
  expect(await cluster.videoIds()).toEqual([kept.id]);
  expect(sha256(await cluster.download(kept.id))).toBe(kept.sha256);
  // The sweep takes the rest of it.
  await expect.poll(async () => (await cluster.holders()).has(record), PATIENT).toBe(false);
}, 120_000);

it('starts the nodes of a data directory itself', async () => {
  cluster = await TestCluster.start({ nodeCount: 3 });
  const video = await cluster.upload(randomBytes(3 * MIB), '?title=Kept');
  await loseDatabase();
  const urls = cluster.cluster.nodes.map(({ url }) => url);
  await Promise.all(cluster.cluster.nodes.map((node) => node.stop()));
  const outcome = await recover(['--start-nodes'], { PORT: String(20_000 + (process.pid % 10_000)) });
  expect(outcome.code, outcome.stderr).toBe(0);
  expect(outcome.stdout).toContain('Videos recovered: 1 ');
  // Now they are known by other addresses; at the old ones they are the same nodes.
  await cluster.cluster.startCoordinator();
  await Promise.all(urls.map((_, index) => cluster.cluster.restartNode(index)));
  await cluster.cluster.untilReady(3);
  expect(sha256(await cluster.download(video.id))).toBe(video.sha256);
}, 120_000);
