import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';

const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { readlinkSync } = require('node:fs');
  const { getPriority } = require('node:os');
  import(workerData).then(({ stepBack }) => {
    const did = stepBack(3);
    const thread = did ? Number(readlinkSync('/proc/thread-self').split('/').at(-1)) : 0;
    parentPort.postMessage({ did, priority: getPriority(thread) });
  });
`;

it('has one thread step back and no other, where threads have priorities', async () => {
  const before = getPriority();
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: new URL('./thread-priority.ts', import.meta.url).href,
  });
  const { did, priority } = await new Promise<{ did: boolean; priority: number }>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  expect(priority).toBe(did ? Math.min(before + 3, 19) : before);
  expect(getPriority()).toBe(before);
});
