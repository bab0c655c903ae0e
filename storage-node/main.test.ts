import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { chunkTarget, formatChecksum } from '../lib/node-api/targets.ts';
import { verifyTarget } from '../lib/signing/signed-url.ts';
import { serveBytes, serveWith, until } from './test-support/byte-server.ts';
import { bytesOf, checksumOf, idOf } from './test-support/chunks.ts';
import { signed, TEST_KEY, TEST_SECRET } from './test-support/running-node.ts';
import { temporaryDirectory } from './test-support/temporary-directory.ts';

interface NodeProcess {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[];
  readonly exited: Promise<number | null>;
  /** What it wrote to standard error so far. */
  errors(): string;
}

function startProcess(args: string[], environment: Record<string, string> = {}): NodeProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    env: { PATH: process.env.PATH, CLUSTER_SECRET: TEST_SECRET, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: Record<string, unknown>[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(() => {
    child.kill('SIGKILL');
    return exited.then(() => {});
  });
  return { child, lines, exited, errors: () => errors };
}

async function listening(node: NodeProcess): Promise<{ url: string; nodeId: string }> {
  const isListening = ({ msg }: Record<string, unknown>) => msg === 'listening';
  await until(() => node.lines.some(isListening) || node.child.exitCode !== null);
  const line = node.lines.find(isListening);
  if (!line) throw new Error(`the node did not start: ${node.errors()}`);
  return { url: String(line.url), nodeId: String(line.nodeId) };
}

it('starts alone, keeps its identity and its chunks, and stops in good order', async () => {
  const directory = await temporaryDirectory();
  const args = ['--dir', join(directory, 'made', 'by', 'it'), '--port', '0', '--capacity', '64MiB'];
  const first = startProcess(args);
  const { url, nodeId } = await listening(first);
  const target = chunkTarget(5, idOf(1));
  const body = new Uint8Array(bytesOf(1, 100_000));
  expect((await fetch(url + signed('PUT', target), { method: 'PUT', body })).status).toBe(201);
  const stats = await (await fetch(url + signed('GET', '/stats'))).json();
  expect(stats).toMatchObject({ nodeId, clusterId: null, capacityBytes: 64 * 1024 * 1024, chunkCount: 1 });
  first.child.kill('SIGTERM');
  expect(await first.exited).toBe(0);

  const second = startProcess([], { STORAGE_DIR: args[1]!, PORT: '0', LOG_LEVEL: 'info' });
  const again = await listening(second);
  expect(again.nodeId).toBe(nodeId);
  const got = await fetch(again.url + signed('GET', target));
  expect(new Uint8Array(await got.arrayBuffer())).toEqual(body);
});

it('lets no second process into its directory, not even after a crash of the first', async () => {
  const directory = await temporaryDirectory();
  const args = ['--dir', directory, '--port', '0'];
  const first = startProcess(args);
  await listening(first);
  const second = startProcess(args);
  expect(await second.exited).toBe(1);
  expect(second.errors()).toContain(`Process ${first.child.pid} has the data directory`);
  first.child.kill('SIGKILL');
  await first.exited;

  // The lock of a dead process is no obstacle, and neither is one whose process id another program has now.
  const third = startProcess(args);
  await listening(third);
  third.child.kill('SIGKILL');
  await third.exited;
  const lock = JSON.parse(await readFile(join(directory, 'lock'), 'utf8'));
  await writeFile(join(directory, 'lock'), JSON.stringify({ ...lock, pid: process.pid }));
  await listening(startProcess(args));
});

it('names every setting that is wrong', async () => {
  const node = startProcess(['--port', '99999', '--capacity', 'plenty', '--join', 'coordinator:5000'], {
    CLUSTER_SECRET: 'short',
  });
  expect(await node.exited).toBe(2);
  for (const name of ['STORAGE_DIR', 'PORT', 'CAPACITY', 'JOIN', 'CLUSTER_SECRET']) {
    expect(node.errors()).toContain(`${name}: `);
  }
  const unknown = startProcess(['--colour', 'red']);
  expect(await unknown.exited).toBe(2);
  expect(unknown.errors()).toContain('--colour');
});

it('registers with a coordinator, however long that takes to come up', async () => {
  const directory = await temporaryDirectory();
  const bodies: unknown[] = [];
  const verdicts: boolean[] = [];
  const coordinator = await serveWith(async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    bodies.push(JSON.parse(text));
    verdicts.push(verifyTarget([TEST_KEY], request.method!, request.url!, Date.now() / 1000).ok);
    expect(request.url).toMatch(/^\/api\/v1\/admin\/nodes\?/);
    response.writeHead(bodies.length < 3 ? 503 : 201, { 'content-length': 2 }).end('{}');
  });
  const node = startProcess([
    '--dir',
    directory,
    '--port',
    '0',
    '--join',
    `${coordinator}/`,
    '--zone',
    'z1',
    '--weight',
    '7',
  ]);
  const { url } = await listening(node);
  await until(() => node.lines.some(({ msg }) => msg === 'joined the cluster'));
  expect(bodies).toEqual(Array(3).fill({ url, zone: 'z1', weight: 7 }));
  expect(verdicts).toEqual([true, true, true]);
  // One line for the reason, however often it was the same.
  expect(node.lines.filter(({ reason }) => String(reason).includes('503'))).toHaveLength(1);
});

it.skipIf(process.platform !== 'linux')('stays below 150 MiB under every kind of load', async () => {
  const node = startProcess(['--dir', await temporaryDirectory(), '--port', '0']);
  const { url } = await listening(node);
  const bytes = bytesOf(1, 8 * 1024 * 1024);
  const source = await serveBytes(bytes);
  const checksum = formatChecksum(checksumOf(bytes));
  const send = async (method: string, number: number, body?: string | Uint8Array<ArrayBuffer>) => {
    const target = chunkTarget(number * 10_000_000, idOf(number));
    const response = await fetch(url + signed(method, target), { method, body: body ?? null });
    expect(response.ok, `${method} ${number}: ${response.status}`).toBe(true);
    await response.arrayBuffer();
  };
  const each = (from: number, to: number, action: (number: number) => Promise<void>) =>
    Promise.all(Array.from({ length: to - from }, (_, index) => action(from + index)));
  const pull = JSON.stringify({ source, length: bytes.length, checksum });
  const put = new Uint8Array(bytes);
  for (let round = 0; round < 3; round++) {
    const from = round * 16;
    await each(from, from + 8, (number) => send('PUT', number, put));
    await each(from + 8, from + 16, (number) => send('POST', number, pull));
    await each(0, 12, (number) => send('GET', number));
  }
  const status = await readFile(`/proc/${node.child.pid}/status`, 'utf8');
  const peakMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024;
  expect(peakMiB).toBeLessThan(150);
});
