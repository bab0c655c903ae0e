import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest';
import { copyMigratedPglite } from '../coordinator/database/test-support/pglite-template.ts';

/** What `./run_app.sh` runs, as a terminal sees it: its output, its files, and what signals do to it. */

const RUN_APP = join(import.meta.dirname, '../scripts/run-app.ts');
/** A first start writes and syncs a new database, which takes a slow disk long. */
const START_TIMEOUT_MS = 100_000;
const TOKEN = /Admin token \(.*\): (orbitvids_\S+)/;

interface App {
  readonly child: ChildProcess;
  readonly port: number;
  /** Everything on stdout and stderr so far. */
  output(): string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly pids: number[];
}

vi.setConfig({ testTimeout: START_TIMEOUT_MS + 20_000 });
afterAll(() => vi.resetConfig());

let dataDir: string;
let apps: App[];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orbitvids-run-app-'));
  apps = [];
});
afterEach(async () => {
  for (const app of apps) {
    app.child.kill('SIGTERM');
    await app.ended;
  }
  await rm(dataDir, { recursive: true, force: true });
});

async function startApp(environment: Record<string, string> = {}, ...flags: string[]): Promise<App> {
  const port = await freePortPair();
  const child = spawn(process.execPath, [RUN_APP, ...flags], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      NODES: '1',
      WORKERS: '0',
      REPLICAS: '1',
      DATA_DIR: dataDir,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (code, signal) => resolve(signal ?? code)),
  );
  const app: App = { child, port, output: () => output, ended, pids: [] };
  apps.push(app);
  await expect.poll(() => output, { timeout: START_TIMEOUT_MS }).toContain('OrbitVids is ready');
  for (const name of ['coordinator', 'node-1']) app.pids.push(await loggedPid(name));
  return app;
}

/** With a database that is made already: the test of a first start is another one. */
async function startPreparedApp(environment: Record<string, string> = {}, ...flags: string[]): Promise<App> {
  await copyMigratedPglite(join(dataDir, 'coordinator'));
  return await startApp(environment, ...flags);
}

/** The coordinator takes the port, the node the one after it. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const port = (first.address() as { port: number }).port;
    const second = port < 65_000 ? await listen(port + 1).catch(() => undefined) : undefined;
    await Promise.all(
      [first, second].map((server) => server && new Promise((closed) => server.close(closed))),
    );
    if (second) return port;
  }
}

function listen(port: number) {
  return new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function logLines(name: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dataDir, 'logs', `${name}.log`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function loggedPid(name: string): Promise<number> {
  return (await logLines(name)).at(-1)!.pid as number;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function filesContaining(text: string): Promise<string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(files.map(async (file) => (await readFile(file)).includes(text)));
  expect(files.length).toBeGreaterThan(3);
  return files.filter((_, index) => found[index]);
}

async function expectCleanStop(app: App): Promise<void> {
  expect(await app.ended).toBe(0);
  expect(app.pids.filter(isAlive)).toEqual([]);
  for (const name of ['coordinator', 'node-1'])
    expect((await logLines(name)).at(-1), name).toMatchObject({ msg: 'stopped' });
}

it('shows the admin account and token once, keeps their secrets in no file, and stops everything on SIGTERM', async () => {
  const app = await startApp();
  const token = TOKEN.exec(app.output())?.[1];
  expect(token).toBeDefined();
  const [, email, password] = /^Admin account \(.*\): (\S+) (\S+)$/m.exec(app.output())!;
  const login = await fetch(`http://127.0.0.1:${app.port}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  expect(login.status).toBe(200);

  const logs = join(dataDir, 'logs');
  expect((await stat(logs)).mode & 0o777).toBe(0o700);
  for (const file of await readdir(logs)) expect((await stat(join(logs, file))).mode & 0o777).toBe(0o600);

  expect(app.pids.filter(isAlive)).toEqual(app.pids);
  app.child.kill('SIGTERM');
  await expectCleanStop(app);
  expect(await filesContaining(token!)).toEqual([]);
  expect(await filesContaining(password!)).toEqual([]);
});

it('stops in order when Ctrl-C reaches its whole process group twice', async () => {
  const app = await startPreparedApp();
  process.kill(-app.child.pid!, 'SIGINT');
  await new Promise((wake) => setTimeout(wake, 50));
  process.kill(-app.child.pid!, 'SIGINT');
  await expectCleanStop(app);
});

it('stops in order when run-app and its children get the signal at once, twice', async () => {
  const app = await startPreparedApp();
  for (const pid of [...app.pids, app.child.pid!]) process.kill(pid, 'SIGINT');
  await new Promise((wake) => setTimeout(wake, 50));
  for (const pid of [...app.pids, app.child.pid!].filter(isAlive)) process.kill(pid, 'SIGINT');
  await expectCleanStop(app);
});

it('leaves nothing behind when it is stopped while it starts a process again', async () => {
  const app = await startPreparedApp();
  process.kill(app.pids[1]!, 'SIGKILL');
  await expect.poll(app.output, { timeout: 10_000 }).toContain('starting it again');
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.pids.filter(isAlive)).toEqual([]);
  expect((await logLines('coordinator')).at(-1)).toMatchObject({ msg: 'stopped' });
});

it('hands the coordinator every variable it knows, and the nodes the address to give', async () => {
  const app = await startPreparedApp({ MAX_VIDEO_SIZE: '1MiB', ADVERTISE_HOST: 'localhost' });
  const token = TOKEN.exec(app.output())![1]!;
  const api = `http://127.0.0.1:${app.port}/api/v1`;
  const headers = { authorization: `Bearer ${token}` };
  const nodes = await fetch(`${api}/admin/nodes`, { headers });
  expect(await nodes.text()).toContain(`"http://localhost:${app.port + 1}"`);
  const upload = await fetch(`${api}/videos`, { method: 'POST', headers, body: Buffer.alloc(1024 ** 2 + 1) });
  expect(upload.status).toBe(413);
});

it('fills an empty catalog with a sample when it is asked to, once', async () => {
  const app = await startPreparedApp({}, '--sample-catalog');
  await expect
    .poll(() => app.output(), { timeout: 20_000 })
    .toMatch(/sample catalog is loaded: 3\d\d\d movies/);
  const response = await fetch(`http://127.0.0.1:${app.port}/api/v1/movies?q=godfather`);
  const { items } = (await response.json()) as { items: { title: string }[] };
  expect(items[0]?.title).toBe('The Godfather');
});
