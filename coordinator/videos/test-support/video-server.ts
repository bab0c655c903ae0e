import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { type Clock, systemClock } from '../../../lib/clock/clock.ts';
import { createDirectHandler } from '../../../lib/http/direct-routes.ts';
import { HttpServer } from '../../../lib/http/http-server.ts';
import { createProblemHandlers } from '../../../lib/http/problem-handlers.ts';
import { requestId } from '../../../lib/http/request-id.ts';
import type { RawClient } from '../../../lib/http/test-support/raw-client.ts';
import { createLogger } from '../../../lib/logging/logger.ts';
import { createAdminToken } from '../../auth/admin-token.ts';
import { bearerOf, Gate, invalidToken } from '../../auth/gate.ts';
import { NOBODY, OPERATOR, type Principal } from '../../auth/principal.ts';
import type { Transaction } from '../../database/database.ts';
import { statusOf } from '../../errors.ts';
import type { Creation } from '../../idempotency/idempotency-keys.ts';
import { ContentCors } from '../content-cors.ts';
import { ContentResponder } from '../content-response.ts';
import { createContentRoute, createVideoRoutes } from '../routes.ts';
import { VideoService } from '../service.ts';
import { UploadLeases } from '../upload-leases.ts';
import { VideoRecords } from '../video-records.ts';
import { MemoryObjectRepository, MemoryObjectStore } from './memory-objects.ts';
import { MemoryVideoRepository } from './memory-videos.ts';

export interface VideoServerOptions {
  readonly uploadBytesMax?: number;
  readonly clientIdleTimeoutMs?: number;
  readonly bodyIdleTimeoutMs?: number;
  readonly answersMax?: number;
  readonly anonymousRead?: boolean;
  readonly corsOrigins?: readonly string[];
  /** False: every request goes through the app. */
  readonly direct?: boolean;
}

/** The video routes behind a real HTTP server, on memory instead of nodes and a database. */
export class VideoServer implements AsyncDisposable {
  readonly store = new MemoryObjectStore();
  readonly objects = new MemoryObjectRepository();
  readonly videos = new MemoryVideoRepository(this.objects);
  readonly leases: UploadLeases;
  readonly records: VideoRecords;
  readonly service: VideoService;
  readonly changed: string[] = [];
  readonly #connections = new Set<Socket>();
  /** What was logged at level warn and above. */
  readonly logged: string[] = [];
  readonly token = createAdminToken(randomBytes);
  /** Who has which token; `token` is an operator's. */
  readonly principals = new Map<string, Principal>([[this.token, OPERATOR]]);
  nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  #server!: HttpServer;

  private constructor(options: VideoServerOptions) {
    const logger = createLogger(
      { name: 'test', level: 'warn' },
      { write: (line) => void this.logged.push(line) },
    );
    const clock: Clock = { ...systemClock, nowMs: () => this.nowMs };
    this.leases = new UploadLeases({ objects: this.objects, leaseMs: 60_000, logger });
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      work({} as Transaction);
    const attachments = { of: async () => [], deleteAll: async () => [] };
    this.records = new VideoRecords({
      attachments,
      cluster: { id: uuidv7(), replicas: 3, ranges: 4096 },
      objects: this.objects,
      store: this.store,
      inTransaction,
      createId: () => uuidv7(),
      clock,
      logger,
    });
    this.service = new VideoService({
      videos: this.videos,
      objects: this.objects,
      store: this.store,
      records: this.records,
      attachments,
      derived: { deleteAll: async () => [] },
      leases: this.leases,
      quotas: { open: (objectId) => this.objects.open(objectId), grow: async () => {} },
      inTransaction,
      clock,
      logger,
      createId: () => uuidv7(),
      announceChange: async (_transaction, id) => void this.changed.push(id),
      uploadBytesMax: options.uploadBytesMax ?? 16 * 1024 * 1024,
      cachedVideosMax: 100,
      cachedChunksMax: 10_000,
    });
  }

  static async open(options: VideoServerOptions = {}): Promise<VideoServer> {
    const opened = new VideoServer(options);
    await opened.#listen(options);
    return opened;
  }

  get url(): string {
    return `${this.#server.url}/api/v1/videos`;
  }

  get port(): number {
    return this.#server.port;
  }

  get authorization(): { authorization: string } {
    return { authorization: `Bearer ${this.token}` };
  }

  /** Uploads bytes and returns the video as the server shows it. */
  async upload(bytes: Uint8Array | string, query = '', headers: Record<string, string> = {}) {
    const response = await fetch(`${this.url}${query}`, {
      method: 'POST',
      body: bytes,
      headers: { 'content-type': 'video/mp4', ...this.authorization, ...headers },
    });
    if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string; links: { content: string }; [name: string]: unknown };
  }

  /** Whether this side still has the connection of a client that has sent a request. */
  isConnected(client: RawClient): boolean {
    return [...this.#connections].some((socket) => socket.remotePort === client.localPort);
  }

  /** Nothing is stored, nothing is open: what a refused upload must leave behind. */
  get isEmpty(): boolean {
    const { store, objects, videos, leases } = this;
    const counts = [
      store.chunks.size,
      objects.manifests.size,
      objects.opened.size,
      objects.recordWrites.size,
      videos.videos.size,
      leases.size,
    ];
    return counts.every((count) => count === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.service[Symbol.asyncDispose]();
    await this.records[Symbol.asyncDispose]();
  }

  async #listen(options: VideoServerOptions): Promise<void> {
    const logger = createLogger(
      { name: 'test', level: 'warn' },
      { write: (line) => void this.logged.push(line) },
    );
    const { clientIdleTimeoutMs = 60_000, bodyIdleTimeoutMs = 60_000 } = options;
    const responder = new ContentResponder({
      store: this.store,
      clientIdleTimeoutMs,
      answersMax: options.answersMax ?? 1000,
      createBoundary: () => uuidv7(),
    });
    const app = new Hono<{
      Bindings: HttpBindings;
      Variables: { requestId: string; principal: Principal };
    }>();
    const problems = createProblemHandlers(logger, statusOf);
    app.onError(problems.onError).notFound(problems.notFound).use(requestId());
    const gate = new Gate({
      authenticator: {
        identify: ({ headers }) => {
          const token = bearerOf(headers.authorization);
          if (token === undefined) return NOBODY;
          const principal = this.principals.get(token);
          if (principal === undefined) throw invalidToken();
          return principal;
        },
      },
      anonymousRead: options.anonymousRead ?? true,
    });
    gate.mount(app);
    const basePath = '/api/v1';
    const { service } = this;
    const cors = new ContentCors(options.corsOrigins ?? ['*']);
    const keys = { run: (creation: Creation) => creation.create(uuidv7()) };
    const media = { of: async () => new Map() };
    const deps = { service, media, keys, responder, gate, cors, logger, basePath, bodyIdleTimeoutMs };
    app.route(basePath, createVideoRoutes(deps));
    const direct = createDirectHandler([createContentRoute(deps)], { problems });
    this.#server = await HttpServer.open({
      fetch: app.fetch,
      direct: (incoming, outgoing) => {
        const { socket } = incoming;
        if (!this.#connections.has(socket)) socket.once('close', () => this.#connections.delete(socket));
        this.#connections.add(socket);
        return options.direct !== false && direct(incoming, outgoing);
      },
      host: '127.0.0.1',
      port: 0,
      headersTimeoutMs: 10_000,
      keepAliveTimeoutMs: 5_000,
      maxHeaderBytes: 16 * 1024,
      drainTimeoutMs: 100,
    });
  }
}
