import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { TaskChild } from './task-child.ts';

const LIMITS = { memoryBytes: 2 ** 40, stallMs: 60_000, totalMs: 60_000 };
const TASK = {
  type: 'task' as const,
  task: { kind: 'inspect' as const, taskId: '', videoId: '', sourceBytes: 1 },
  ...{ fence: 1, sourceUrl: '/', coordinatorUrl: 'http://127.0.0.1:9', token: '', cores: 1 },
};
const engineOf = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

test('a child does one task after the other, with nobody’s secrets in its environment', async () => {
  process.env.CLUSTER_SECRET = 'the-cluster-secret-of-the-tests';
  process.env.SSL_CERT_DIR = '/etc/ssl/certs';
  const child = new TaskChild(
    engineOf(`let count = 0; export async function runTask(task, { progress }) {
      progress(0.5); return { kind: 'audio', pid: process.pid, count: ++count, names: Object.keys(process.env) }; }`),
    LIMITS,
  );
  try {
    await child.ready();
    const shares: number[] = [];
    for (const count of [1, 2]) {
      const outcome = (await child.run(TASK, (share) => shares.push(share))) as { result: unknown };
      expect(outcome.result).toMatchObject({
        pid: child.pid,
        count,
        names: expect.not.arrayContaining(['CLUSTER_SECRET']),
      });
      expect(outcome.result).toMatchObject({ names: expect.arrayContaining(['SSL_CERT_DIR']) });
    }
    expect([shares, child.done, child.isAlive]).toEqual([[0.5, 0.5], 2, true]);
  } finally {
    delete process.env.CLUSTER_SECRET;
    delete process.env.SSL_CERT_DIR;
    child.kill();
    await child.exited;
  }
});

test('a child that does not come up, or takes too long, is a failure with a reason', async () => {
  const broken = new TaskChild(engineOf('throw new Error("no codec here")'), LIMITS);
  await expect(broken.ready()).rejects.toThrow('no codec here');
  expect(broken.isAlive).toBe(false);
  const slow = new TaskChild(
    engineOf(
      'export async function runTask(task, { progress }) { for (let share = 0; ; share += 0.001) { progress(share); await new Promise((r) => setTimeout(r, 20)); } }',
    ),
    { ...LIMITS, totalMs: 300 },
  );
  await slow.ready();
  const outcome = await slow.run(TASK, () => {});
  expect(outcome).toMatchObject({ failure: { reason: 'It took longer than 0.3 s.', retryable: false } });
  // Also before it has gone.
  expect(slow.isAlive).toBe(false);
  await slow.exited;
});

test('a child that hangs ends when its worker was killed', async () => {
  const script = fileURLToPath(new URL('./test-support/abandon-child.ts', import.meta.url));
  const worker = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(worker.stdout, 'data');
  const pid = Number(line);
  const isAlive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  expect(isAlive()).toBe(true);
  worker.kill('SIGKILL');
  await expect.poll(isAlive, { timeout: 20_000 }).toBe(false);
});
