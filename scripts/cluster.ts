import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from './managed-process.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COORDINATOR = join(ROOT, 'coordinator/main.ts');
const STORAGE_NODE = join(ROOT, 'storage-node/main.ts');
const WORKER = join(ROOT, 'worker/main.ts');

export interface ClusterOptions {
  readonly dataDir: string;
  readonly nodeCount: number;
  /** Transcode workers; none by default. */
  readonly workerCount?: number;
  readonly replicas: number;
  readonly host?: string;
  /** The coordinator's port; the nodes take the following ones. 0 lets every process pick a free one. */
  readonly port?: number;
  readonly secret?: string;
  readonly adminToken?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly nodeCapacity?: string | undefined;
  /** Host name or address under which other machines reach this one. */
  readonly advertiseHost?: string | undefined;
  readonly logLevel?: string;
  /** More environment for the coordinator, the nodes and the workers. */
  readonly coordinatorEnv?: Readonly<Record<string, string>>;
  readonly nodeEnv?: Readonly<Record<string, string>>;
  readonly workerEnv?: Readonly<Record<string, string>>;
  /** What workers run; only tests name another. */
  readonly workerScript?: string;
  readonly onPlainLine?: (line: string) => void;
  /** Keeps the processes out of this one's process group; see ManagedProcessOptions. */
  readonly ownProcessGroups?: boolean;
  /** Aborting gives up starting; what runs already is stopped. */
  readonly signal?: AbortSignal;
}

/** A coordinator, its storage nodes and transcode workers as processes of this machine. */
export class Cluster implements AsyncDisposable {
  readonly options: ClusterOptions;
  readonly secret: string;
  coordinator!: ManagedProcess;
  readonly nodes: ManagedProcess[] = [];
  readonly workers: ManagedProcess[] = [];

  private constructor(options: ClusterOptions) {
    this.options = options;
    this.secret = options.secret ?? randomBytes(24).toString('base64url');
  }

  /** Starts everything and waits until the cluster serves with all its nodes up. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    const logs = join(options.dataDir, 'logs');
    mkdirSync(logs, { recursive: true });
    chmodSync(logs, 0o700);
    try {
      await cluster.startCoordinator();
      const starts = await Promise.allSettled(
        Array.from({ length: options.nodeCount }, (_, index) => cluster.startNode(index)),
      );
      for (const start of starts) if (start.status === 'fulfilled') cluster.nodes.push(start.value);
      for (const start of starts) if (start.status === 'rejected') throw start.reason;
      await cluster.untilReady();
      for (let index = 0; index < (options.workerCount ?? 0); index++) await cluster.addWorker();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.coordinator.url;
  }

  get processes(): readonly ManagedProcess[] {
    return [this.coordinator, ...this.nodes, ...this.workers];
  }

  /** Starts the coordinator, or starts it again on the same data and port. */
  async startCoordinator(): Promise<void> {
    const { options } = this;
    const previousPort = this.coordinator ? new URL(this.coordinator.url).port : undefined;
    this.coordinator = await ManagedProcess.start({
      name: 'coordinator',
      script: COORDINATOR,
      logFile: join(options.dataDir, 'logs/coordinator.log'),
      ownProcessGroup: options.ownProcessGroups ?? false,
      ...(options.onPlainLine ? { onPlainLine: options.onPlainLine } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
      env: {
        HOST: options.host ?? '127.0.0.1',
        PORT: previousPort ?? String(options.port ?? 0),
        DATA_DIR: join(options.dataDir, 'coordinator'),
        CLUSTER_SECRET: this.secret,
        REPLICAS: String(options.replicas),
        BOOTSTRAP_NODES: String(options.nodeCount),
        LOG_LEVEL: options.logLevel ?? 'info',
        ...(options.adminToken === undefined ? {} : { ADMIN_TOKEN: options.adminToken }),
        ...(options.advertiseHost === undefined ? {} : { ADVERTISE_HOST: options.advertiseHost }),
        ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
        ...options.coordinatorEnv,
      },
    });
  }

  /** Starts node `index`, or starts it again on the same data and port. */
  async startNode(index: number): Promise<ManagedProcess> {
    const { options } = this;
    const previous = this.nodes[index];
    const firstPort = options.port ? options.port + 1 + index : 0;
    const port = previous ? new URL(previous.url).port : String(firstPort);
    return await ManagedProcess.start({
      name: `node-${index + 1}`,
      script: STORAGE_NODE,
      logFile: join(options.dataDir, `logs/node-${index + 1}.log`),
      ownProcessGroup: options.ownProcessGroups ?? false,
      ...(options.signal ? { signal: options.signal } : {}),
      args: [
        ...['--dir', this.nodeDir(index), '--port', port, '--join', this.coordinator.url],
        ...(options.host === undefined ? [] : ['--host', options.host]),
        ...(options.advertiseHost === undefined || port === '0'
          ? []
          : ['--advertise-url', `http://${inUrl(options.advertiseHost)}:${port}`]),
      ],
      env: {
        CLUSTER_SECRET: this.secret,
        LOG_LEVEL: options.logLevel ?? 'info',
        ...(options.nodeCapacity === undefined ? {} : { CAPACITY: options.nodeCapacity }),
        ...options.nodeEnv,
      },
    });
  }

  /** Starts a worker more; resolves with its index. */
  async addWorker(): Promise<number> {
    return this.workers.push(await this.#startWorker(this.workers.length)) - 1;
  }

  /** Starts a worker that was stopped or killed again. */
  async restartWorker(index: number): Promise<void> {
    this.workers[index] = await this.#startWorker(index);
  }

  async #startWorker(index: number): Promise<ManagedProcess> {
    const { options } = this;
    const name = `worker-${index + 1}`;
    return await ManagedProcess.start({
      name,
      script: options.workerScript ?? WORKER,
      logFile: join(options.dataDir, `logs/${name}.log`),
      ownProcessGroup: options.ownProcessGroups ?? false,
      ...(options.signal ? { signal: options.signal } : {}),
      args: ['--coordinator', this.coordinator.url, '--name', name],
      env: {
        CLUSTER_SECRET: this.secret,
        LOG_LEVEL: options.logLevel ?? 'info',
        ...options.workerEnv,
      },
    });
  }

  nodeDir(index: number): string {
    return join(this.options.dataDir, `node-${index + 1}`);
  }

  /** Starts a node that was stopped or killed again. */
  async restartNode(index: number): Promise<void> {
    this.nodes[index] = await this.startNode(index);
  }

  /** Starts one node more, which joins by itself; resolves with its index. */
  async addNode(): Promise<number> {
    const node = await this.startNode(this.nodes.length);
    return this.nodes.push(node) - 1;
  }

  /** Polls until the coordinator is ready and sees `upNodes` nodes up (all that run, unless given). */
  async untilReady(
    upNodes = this.nodes.filter((node) => node.running).length,
    timeoutMs = 60_000,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    let last = 'no answer';
    while (performance.now() < deadline) {
      this.options.signal?.throwIfAborted();
      if (!this.coordinator.running) throw new Error(`The coordinator ${await this.coordinator.exited}.`);
      try {
        const response = await fetch(`${this.coordinator.url}/readyz`, { signal: AbortSignal.timeout(2000) });
        const body = (await response.json()) as { ready?: boolean; nodes?: { up?: number } };
        if (response.ok && body.nodes?.up === upNodes) return;
        last = JSON.stringify(body);
      } catch (error) {
        last = String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`The cluster did not become ready with ${upNodes} nodes up: ${last}`);
  }

  /** Stops workers first, which hand back what they do, and the coordinator before the nodes, so that no request meets nodes that are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker[Symbol.asyncDispose]()));
    await this.coordinator?.[Symbol.asyncDispose]();
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

/** An IPv6 address stands in brackets. */
function inUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
