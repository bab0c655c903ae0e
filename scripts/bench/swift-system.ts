import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { BenchRun } from './bench-run.ts';
import { type BenchSystem, MissingPeer } from './bench-system.ts';
import { ChildServer, freePort } from './child-server.ts';
import { processTree } from './process-usage.ts';
import {
  SWIFT_COPIES,
  SWIFT_DEVICES,
  type SwiftPorts,
  type SwiftServer,
  swiftConfigs,
} from './swift-config.ts';

const COMMANDS = [
  'swift-ring-builder',
  'swift-proxy-server',
  'swift-account-server',
  'swift-container-server',
  'swift-object-server',
  'memcached',
];
const STORAGE: readonly Exclude<SwiftServer, 'proxy'>[] = ['account', 'container', 'object'];
const READY_TIMEOUT_MS = 30_000;
const CONTAINER = '/v1/AUTH_bench/videos';

/** OpenStack Swift from the distribution's packages, started by hand with configuration of its own. */
export async function startSwift(run: BenchRun): Promise<BenchSystem> {
  requireInstalled();
  const directory = join(run.directory, 'swift');
  for (let device = 1; device <= SWIFT_DEVICES; device++)
    mkdirSync(join(directory, 'devices', `d${device}`), { recursive: true });
  const ports: SwiftPorts = {
    proxy: await freePort(),
    object: await freePort(),
    container: await freePort(),
    account: await freePort(),
    memcached: await freePort(),
  };
  for (const server of STORAGE) buildRing(directory, server, ports[server]);
  const configs = swiftConfigs(directory, ports);
  await using starting = new AsyncDisposableStack();
  const servers: ChildServer[] = [];
  const start = async (name: string, args: readonly string[], port: number) => {
    const server = starting.use(new ChildServer(name, name, args));
    servers.push(server);
    await server.untilListening(port, run.signal);
  };
  await start(
    'memcached',
    ['-l', '127.0.0.1', '-p', String(ports.memcached), '-u', userInfo().username],
    ports.memcached,
  );
  for (const server of [...STORAGE, 'proxy' as const]) {
    const path = join(directory, `${server}-server.conf`);
    writeFileSync(path, configs[server]);
    await start(`swift-${server}-server`, [path], ports[server]);
  }
  const url = `http://127.0.0.1:${ports.proxy}`;
  await makeContainer(url, run.signal);
  const running = starting.move();
  return {
    name: 'Swift',
    description: `OpenStack Swift, ${SWIFT_DEVICES} devices, ${SWIFT_COPIES} copies, no authentication`,
    target: {
      url,
      headers: {},
      uploadMethod: 'PUT',
      uploadPath: `${CONTAINER}/{name}`,
      answersWithId: false,
      contentPath: `${CONTAINER}/{name}`,
      deletePath: `${CONTAINER}/{name}`,
    },
    pids: () => processTree(servers.map(({ pid }) => pid)),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function requireInstalled(): void {
  const missing = COMMANDS.filter((command) => spawnSync('which', [command]).status !== 0);
  if (missing.length === 0 && existsSync('/etc/swift/swift.conf')) return;
  throw new MissingPeer(
    `Swift is not installed (${missing.join(', ') || '/etc/swift/swift.conf'}): ` +
      'apt-get install swift-proxy swift-account swift-container swift-object memcached, then stop their services.',
  );
}

function buildRing(directory: string, server: SwiftServer, port: number): void {
  const builder = join(directory, `${server}.builder`);
  const build = (...args: string[]) =>
    execFileSync('swift-ring-builder', [builder, ...args], { stdio: 'ignore' });
  build('create', '10', String(SWIFT_COPIES), '1');
  for (let device = 1; device <= SWIFT_DEVICES; device++)
    build('add', `r1z${device}-127.0.0.1:${port}/d${device}`, '100');
  build('rebalance');
}

/** The first request after a start may come before all workers serve. */
async function makeContainer(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let last = 'no answer';
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    try {
      const response = await fetch(url + CONTAINER, {
        method: 'PUT',
        signal: AbortSignal.timeout(5000),
      });
      last = `${response.status} ${await response.text()}`;
      if (response.ok) return;
    } catch (error) {
      last = String(error);
    }
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error(`Swift makes no container: ${last}`);
}
