import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster } from '../scripts/cluster.ts';
import type { Script } from '../worker/test-support/fake-engine.ts';

/*
 * Workers, coordinator and nodes that are killed, hang and eat memory while videos are transcoded. The media are made by the
 * engine of the tests; everything around it is real.
 */

const TOKEN = 'the-admin-token-of-the-tests';
const WORKER = join(import.meta.dirname, '../worker/test-support/fake-worker.ts');
const WAIT = { timeout: 30_000, interval: 25 };

let dataDir: string;
let cluster: Cluster;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orbitvids-transcode-'));
  cluster = await Cluster.start({
    ...{ dataDir, nodeCount: 3, replicas: 3, workerCount: 1, adminToken: TOKEN, workerScript: WORKER },
    coordinatorEnv: { WORKER_LEASE: '2s', HEALTH_INTERVAL: '100ms', DOWN_AFTER: '500ms', COPY_TIMEOUT: '2s' },
    workerEnv: { CONCURRENCY: '1', TASK_STALL_TIMEOUT: '2s', TASK_MEMORY: '200MiB', STOP_GRACE: '100ms' },
  });
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

async function ask(method: string, path: string, body?: string) {
  const response = await fetch(`${cluster.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'video/mp4' },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: many different answers
  return { status: response.status, json: (text === '' ? null : JSON.parse(text)) as any };
}

async function upload(script: Script): Promise<string> {
  const { status, json } = await ask('POST', '/videos', JSON.stringify(script));
  expect(status).toBe(201);
  return json.id;
}

async function mediaOf(id: string) {
  return (await ask('GET', `/videos/${id}`)).json.media;
}

async function jobOf(id: string) {
  const { items } = (await ask('GET', `/jobs?video=${id}`)).json;
  return (await ask('GET', `/jobs/${items[0].id}`)).json;
}

/** The task of this kind that is under way. */
async function running(id: string, kind: string) {
  const { tasks } = await jobOf(id);
  // biome-ignore lint/suspicious/noExplicitAny: as the API shows it
  return tasks.find((task: any) => task.kind === kind && task.state === 'running' && task.progress > 0);
}

const statusOf = async (id: string) => (await mediaOf(id)).status;

/** Every rendition is there to its last byte. */
async function assertWhole(id: string) {
  const job = await jobOf(id);
  expect(job.state).toBe('complete');
  expect(job.renditions.map(({ name }: { name: string }) => name)).toEqual(['240p', '360p', '480p']);
  for (const { pieces, piecesDone, isPublished } of job.renditions) {
    expect([piecesDone, isPublished]).toEqual([pieces, true]);
  }
}

test('a task that hangs, crashes, eats memory or lies fails with a reason, and its worker lives', async () => {
  const [worker] = cluster.workers;
  const bad: [Script, RegExp, boolean][] = [
    [{ seconds: 4, eat: 'encode' }, /more than 200 MiB of memory/, true],
    [{ seconds: 4, lie: 'encode' }, /does not take what was made/, true],
    [{ seconds: 4, hang: 'encode' }, /Nothing came of it for 2 s/, false],
    [{ seconds: 4, crash: 'encode' }, /ended by SIGSEGV/, false],
  ];
  const ids = await Promise.all(bad.map(([script]) => upload(script)));
  for (const [index, [, reason, isFinal]] of bad.entries()) {
    const id = ids[index]!;
    const encode = async () =>
      (await jobOf(id)).tasks.find(({ kind }: { kind: string }) => kind === 'encode');
    await expect.poll(async () => (await encode())?.reason ?? '', WAIT).toMatch(reason);
    const shown = { status: 'failed', reason: expect.stringMatching(reason) };
    if (isFinal) await expect.poll(() => mediaOf(id), WAIT).toMatchObject(shown);
    else expect((await encode()).state).toBe('queued');
    await ask('DELETE', `/videos/${id}`);
  }
  const good = await upload({ seconds: 4, isPlayable: true });
  await expect.poll(() => statusOf(good), WAIT).toBe('ready');
  expect([worker!.running, cluster.workers[0]]).toEqual([true, worker]);
});

test('a coordinator that is started again finds its workers at the same tasks', async () => {
  const id = await upload({ seconds: 8, isPlayable: true, segmentMs: 200 });
  await expect.poll(() => running(id, 'encode'), WAIT).toBeDefined();
  await cluster.coordinator.kill();
  await cluster.startCoordinator();
  await cluster.untilReady();
  await expect.poll(() => statusOf(id), WAIT).toBe('ready');
  await assertWhole(id);
});

test('a worker and a node that are killed in the middle of a piece are replaced; other pieces stay', async () => {
  const id = await upload({ seconds: 40, isPlayable: true, segmentMs: 40 });
  await expect.poll(() => running(id, 'encode'), WAIT).toBeDefined();
  const [done] = (await jobOf(id)).tasks.filter(({ state }: { state: string }) => state === 'complete');
  await Promise.all([cluster.workers[0]!.kill(), cluster.nodes[0]!.kill()]);
  await cluster.addWorker();
  await expect.poll(() => statusOf(id), WAIT).toBe('ready');
  await assertWhole(id);
  const { tasks } = await jobOf(id);
  const attempts = tasks.map((task: { attempts: number }) => task.attempts);
  expect(attempts.filter((count: number) => count > 0)).toEqual([1]);
  expect(tasks.find((task: { id: string }) => task.id === done.id).finishedAt).toBe(done.finishedAt);
});

test('a worker that is stopped hands back what it does', async () => {
  const id = await upload({ seconds: 16, isPlayable: true, segmentMs: 100 });
  await expect.poll(() => running(id, 'encode'), WAIT).toBeDefined();
  expect(await cluster.workers[1]!.stop()).toBe('exited with 0');
  // At once, and not when its lease runs out; and it counts for nothing.
  const { tasks } = await jobOf(id);
  const task = tasks.find(({ kind }: { kind: string }) => kind === 'encode');
  expect(task).toMatchObject({ state: 'queued', attempts: 0 });
  // Nobody has written down what it showed.
  for (const log of ['worker-1.log', 'worker-2.log', 'coordinator.log']) {
    const text = await readFile(join(dataDir, 'logs', log), 'utf8');
    expect(text).not.toContain('orbitvids_worker_');
    expect(text).not.toContain(cluster.secret);
  }
});
