import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchRun } from './bench-run.ts';
import { type BenchSystem, MissingPeer } from './bench-system.ts';
import { ChildServer, freePort } from './child-server.ts';
import { processTree } from './process-usage.ts';

/**
 * nginx in front of nginx: what relays bytes in front of what stores them as plain files. One copy, no fsync.
 */

type Tuning = 'default' | 'tuned';

interface Ports {
  readonly front: number;
  readonly back: number;
}

/** Settings of the server that stores files. Debian's own defaults send files with sendfile. */
const STORE_SETTINGS: Readonly<Record<Tuning, string>> = {
  default: 'sendfile on; tcp_nopush on;',
  // Larger buffers than this are slower: each request gets fresh ones, which the kernel has to clear.
  tuned: 'sendfile on; tcp_nopush on; client_body_buffer_size 128k;',
};

/**
 * Settings of the server in front. Without a word nginx relays through eight buffers of a page each. Tuned it
 * passes on what one large buffer holds as soon as it came, which beat buffering with any number of buffers.
 */
const RELAY_SETTINGS: Readonly<Record<Tuning, string>> = {
  default: '',
  tuned: `
      proxy_request_buffering off;
      client_body_buffer_size 128k;
      proxy_buffering off;
      proxy_buffer_size 2m;
      proxy_buffers 4 2m;`,
};

export async function startNginx(run: BenchRun, tuning: Tuning): Promise<BenchSystem> {
  if (spawnSync('nginx', ['-v']).error)
    throw new MissingPeer('nginx is not installed: apt-get install nginx-light, then stop its service.');
  const ports: Ports = { front: await freePort(), back: await freePort() };
  const directory = join(run.directory, `nginx-${tuning}`);
  const store = writeConfig(join(directory, 'store'), storeServer(tuning, ports));
  const relay = writeConfig(join(directory, 'relay'), relayServer(tuning, ports));
  await using starting = new AsyncDisposableStack();
  const servers: ChildServer[] = [];
  for (const [config, port] of [[store, ports.back] as const, [relay, ports.front] as const]) {
    const server = starting.use(new ChildServer('nginx', 'nginx', ['-c', config, '-e', 'stderr']));
    servers.push(server);
    await server.untilListening(port, run.signal);
  }
  const running = starting.move();
  return {
    name: tuning === 'default' ? 'nginx' : 'nginx-tuned',
    description: `nginx in front of nginx, ${tuning === 'default' ? 'default buffers' : 'tuned for streaming'}, one copy, no fsync`,
    target: {
      url: `http://127.0.0.1:${ports.front}`,
      headers: {},
      uploadMethod: 'PUT',
      uploadPath: '/{name}',
      answersWithId: false,
      contentPath: '/{name}',
      deletePath: '/{name}',
    },
    pids: () => processTree(servers.map(({ pid }) => pid)),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Writes a configuration that keeps everything below `directory`; returns its path. */
function writeConfig(directory: string, server: string): string {
  for (const name of ['files', 'tmp']) mkdirSync(join(directory, name), { recursive: true });
  const path = join(directory, 'nginx.conf');
  // Started as root, nginx's workers would become somebody who may not write here.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(directory, 'tmp', kind)};`)
    .join('\n  ');
  writeFileSync(
    path,
    `daemon off;
${user}
worker_processes auto;
pid ${join(directory, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_max_body_size 0;
  ${temporary}
${server.replaceAll('{files}', join(directory, 'files'))}
}
`,
  );
  return path;
}

function storeServer(tuning: Tuning, ports: Ports): string {
  return `
  server {
    listen 127.0.0.1:${ports.back};
    ${STORE_SETTINGS[tuning]}
    root {files};
    location / { dav_methods PUT DELETE; }
  }`;
}

function relayServer(tuning: Tuning, ports: Ports): string {
  return `
  upstream store { server 127.0.0.1:${ports.back}; keepalive 32; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${ports.front};
    location / {
      proxy_pass http://store;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${RELAY_SETTINGS[tuning]}
    }
  }`;
}
