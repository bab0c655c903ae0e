import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { systemClock } from '../../../lib/clock/clock.ts';
import { HttpServer } from '../../../lib/http/http-server.ts';
import { createLogger } from '../../../lib/logging/logger.ts';
import { bearerOf, Gate, invalidToken } from '../../auth/gate.ts';
import { NOBODY, OPERATOR, type Principal } from '../../auth/principal.ts';
import { ChunkOutbox } from '../../chunks/chunk-outbox.ts';
import { ChunkReader } from '../../chunks/chunk-reader.ts';
import { ChunkWriter } from '../../chunks/chunk-writer.ts';
import { RingObjectStore } from '../../chunks/ring-object-store.ts';
import { FakeNodes } from '../../chunks/testing/fake-nodes.ts';
import { PAGE_BYTES, WriteBuffers } from '../../chunks/write-buffers.ts';
import type { DatabaseHandle, Transaction } from '../../database/database.ts';
import { type Engine, openTestDatabase, silentLogger } from '../../database/test-support/engines.ts';
import { IdempotencyKeys } from '../../idempotency/idempotency-keys.ts';
import { SqlObjectRepository } from '../../objects/sql-object-repository.ts';
import { createServerApp } from '../../server.ts';
import { Metrics } from '../../system/metrics.ts';
import { ContentCors } from '../../videos/content-cors.ts';
import { ContentResponder } from '../../videos/content-response.ts';
import { Quotas } from '../../videos/quotas.ts';
import { createContentRoute, createVideoRoutes } from '../../videos/routes.ts';
import { VideoService } from '../../videos/service.ts';
import { SqlVideoRepository } from '../../videos/sql-video-repository.ts';
import { UploadLeases } from '../../videos/upload-leases.ts';
import { VideoRecords } from '../../videos/video-records.ts';
import { openUploads, type Uploads } from '../open-uploads.ts';
import { createUploadRoutes, UPLOAD_HEADERS, uploadDiscovery } from '../routes.ts';

const CHUNK_BYTES = 2 * PAGE_BYTES;
const BASE_PATH = '/api/v1';
export const UPLOAD_BYTES_MAX = 64 * PAGE_BYTES;

/** A coordinator's part in uploads: everything of it is its own but the database and the nodes. */
export interface TestCoordinator {
  readonly url: string;
  readonly uploads: Uploads;
  /** What a stop does first. */
  stop(): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many different answers
  readonly json: any;
  /** Status and headers of interim answers. */
  readonly interim: readonly { readonly status: number; readonly headers: Record<string, string> }[];
}

export interface WorldOptions {
  readonly count?: number;
  readonly expiryMs?: number;
  readonly idleMs?: number;
  readonly corsOrigins?: readonly string[];
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly token?: string | null;
  /** Says nothing about its length. */
  readonly isChunked?: boolean;
  /** Which coordinator. */
  readonly at?: number;
}

/** A request whose bytes come bit by bit. */
export interface SlowPatch {
  /** Its status; undefined when the connection ended without one. */
  readonly answer: Promise<number | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  cut(): void;
  end(): void;
}

/** Several coordinators with the upload routes and real HTTP servers on one database and nodes in memory. */
export class UploadWorld implements AsyncDisposable {
  readonly nodes = new FakeNodes(4);
  readonly coordinators: TestCoordinator[] = [];
  readonly database: DatabaseHandle;
  readonly objects: SqlObjectRepository;
  readonly principals = new Map<string, Principal>([['operator', OPERATOR]]);
  readonly #stack: AsyncDisposableStack;

  private constructor(database: DatabaseHandle, stack: AsyncDisposableStack) {
    this.database = database;
    this.objects = new SqlObjectRepository(database.kysely);
    this.#stack = stack;
  }

  static async open(engine: Engine, options: WorldOptions = {}): Promise<UploadWorld> {
    const stack = new AsyncDisposableStack();
    const world = new UploadWorld(stack.use(await openTestDatabase(engine)), stack);
    for (let index = 0; index < (options.count ?? 1); index++) {
      await world.#start(options);
    }
    return world;
  }

  /** A token of a new uploader. */
  async addUser(quotas: { bytes?: number; videos?: number } = {}): Promise<string> {
    const userId = randomUUID();
    await this.database.kysely
      .insertInto('users')
      .values({
        ...{ id: userId, email: `${userId}@example.org`, name: 'n', password_hash: '', role: 'uploader' },
        ...{ last_login_at: null, quota_bytes: quotas.bytes ?? null, quota_videos: quotas.videos ?? null },
      })
      .execute();
    const rest = { sessionId: null, scopes: null, generation: 1 };
    this.principals.set(userId, { kind: 'user', userId, role: 'uploader', ...rest });
    return userId;
  }

  /** With the operator's token, unless another one or none is given. */
  ask(
    method: string,
    target: string,
    { headers = {}, body, token = 'operator', isChunked = false, at = 0 }: Ask = {},
  ): Promise<Answer> {
    const path = target.startsWith('/api/') ? target : `${BASE_PATH}${target}`;
    const url = `${this.coordinators[at]!.url}${path}`;
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const interim: { status: number; headers: Record<string, string> }[] = [];
      const hasLength = body !== undefined || method === 'PATCH' || method === 'POST';
      const length = isChunked
        ? { 'transfer-encoding': 'chunked' }
        : hasLength
          ? { 'content-length': body?.length ?? 0 }
          : {};
      const outgoing = request(url, { method, headers: { ...authorization, ...length, ...headers } });
      outgoing.on('error', reject);
      outgoing.on('information', (info) =>
        interim.push({ status: info.statusCode, headers: info.headers as Record<string, string> }),
      );
      outgoing.on('response', (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(pieces);
          const isJson = /json/.test(response.headers['content-type'] ?? '') && bytes.length > 0;
          resolve({
            status: response.statusCode!,
            headers: response.headers as Record<string, string>,
            body: bytes,
            json: isJson ? JSON.parse(bytes.toString()) : undefined,
            interim,
          });
        });
      });
      outgoing.end(body);
    });
  }

  /** A tus request. */
  tus(method: string, target: string, { headers = {}, ...options }: Ask = {}): Promise<Answer> {
    return this.ask(method, target, { ...options, headers: { 'tus-resumable': '1.0.0', ...headers } });
  }

  /** Begins a tus upload and returns its path. */
  async create(length: number | undefined, options: Ask = {}): Promise<string> {
    const said = length === undefined ? { 'upload-defer-length': '1' } : { 'upload-length': String(length) };
    const answer = await this.tus('POST', '/uploads', {
      ...options,
      headers: { ...said, ...options.headers },
    });
    if (answer.status !== 201) throw new Error(`${answer.status} ${answer.body.toString()}`);
    return answer.headers.location!;
  }

  patch(
    path: string,
    offset: number,
    body: Uint8Array,
    { headers = {}, ...options }: Ask = {},
  ): Promise<Answer> {
    const said = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' };
    return this.tus('PATCH', path, { ...options, body, headers: { ...said, ...headers } });
  }

  /** A PATCH that announces `announced` bytes, of which the caller writes what it likes. */
  openPatch(
    path: string,
    offset: number,
    announced: number,
    { headers = {}, token = 'operator', at = 0 }: Ask = {},
  ): SlowPatch {
    const outgoing = request(`${this.coordinators[at]!.url}${path}`, {
      method: 'PATCH',
      headers: {
        ...{ authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0', 'upload-offset': String(offset) },
        ...{ 'content-type': 'application/offset+octet-stream', 'content-length': announced },
        ...headers,
      },
    });
    if (headers['tus-resumable'] === '') outgoing.removeHeader('tus-resumable');
    const answer = new Promise<number | undefined>((resolve) => {
      outgoing.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on('error', () => resolve(undefined));
    });
    return {
      answer,
      write: (bytes) => new Promise((resolve) => outgoing.write(bytes, () => resolve())),
      cut: () => outgoing.destroy(),
      end: () => outgoing.end(),
    };
  }

  /** What `HEAD` says is received. */
  async offset(path: string, options: Ask = {}): Promise<number> {
    const answer = await this.tus('HEAD', path, options);
    if (answer.status !== 200) throw new Error(`HEAD: ${answer.status}`);
    return Number(answer.headers['upload-offset']);
  }

  async download(videoId: string): Promise<Buffer> {
    const answer = await this.ask('GET', `/videos/${videoId}/content`);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body.toString()}`);
    return answer.body;
  }

  /** Ids of all chunks that lie on any node. */
  storedChunks(): Set<string> {
    return new Set([...this.nodes.stored.values()].flatMap((chunks) => [...chunks.keys()]));
  }

  /** Those among them that nothing keeps alive. */
  async deadChunks(): Promise<string[]> {
    const ids = [...this.storedChunks()];
    const alive = await this.objects.aliveAmong(ids);
    return ids.filter((id) => !alive.has(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start({
    expiryMs = 3_600_000,
    idleMs = 20_000,
    corsOrigins = ['https://videos.example'],
  }: WorldOptions): Promise<void> {
    const stack = this.#stack;
    const stopping = new AbortController();
    stack.defer(() => stopping.abort(new Error('the test is over')));
    const { store, records, service, shared } = await this.#openVideos(idleMs);
    stack.use(records);
    stack.use(service);
    const uploads = await openUploads(stack, {
      ...shared,
      ...{
        database: this.database,
        store,
        records,
        stopping: stopping.signal,
        coordinatorId: uuidv7(),
        expiryMs,
      },
      ...{ leaseMs: 60_000, uploadBytesMax: UPLOAD_BYTES_MAX },
    });
    const gate = new Gate({
      authenticator: {
        identify: ({ headers }) => {
          const token = bearerOf(headers.authorization);
          return token === undefined ? NOBODY : (this.principals.get(token) ?? invalid());
        },
      },
      anonymousRead: true,
    });
    const responder = new ContentResponder({
      store,
      clientIdleTimeoutMs: 10_000,
      answersMax: 100,
      createBoundary: randomUUID,
    });
    const keys = new IdempotencyKeys({
      ...{
        database: this.database.kysely,
        clock: systemClock,
        logger: silentLogger,
        createId: () => uuidv7(),
      },
    });
    const videoRoutes = {
      ...{
        service,
        responder,
        gate,
        cors: new ContentCors([]),
        keys,
        logger: silentLogger,
        basePath: BASE_PATH,
      },
      media: { of: async () => new Map() },
      bodyIdleTimeoutMs: idleMs,
    };
    const app = createServerApp({
      logger: createLogger({ name: 'test', level: 'silent' }),
      metrics: new Metrics(),
      gate,
      corsOrigins,
      exposedHeaders: UPLOAD_HEADERS,
      discovery: { '/uploads': uploadDiscovery(UPLOAD_BYTES_MAX) },
      system: [],
      features: [
        createVideoRoutes(videoRoutes),
        createUploadRoutes({ ...uploads, keys, videos: service, basePath: BASE_PATH }),
      ],
      direct: [createContentRoute(videoRoutes)],
    });
    const server = stack.use(
      await HttpServer.open({
        ...app,
        ...{
          host: '127.0.0.1',
          port: 0,
          headersTimeoutMs: 10_000,
          keepAliveTimeoutMs: 5_000,
          maxHeaderBytes: 16 * 1024,
        },
        drainTimeoutMs: 100,
      }),
    );
    this.coordinators.push({ url: server.url, uploads, stop: () => stopping.abort(new Error('stop')) });
  }

  async #openVideos(idleMs: number) {
    const { kysely } = this.database;
    const clock = systemClock;
    const outbox = this.#stack.use(
      await ChunkOutbox.open({
        host: '127.0.0.1',
        port: 0,
        advertiseHost: '127.0.0.1',
        createToken: () => randomUUID(),
      }),
    );
    const { nodes } = this;
    const store = new RingObjectStore({
      ...{ clock, logger: silentLogger, placement: nodes, client: nodes, outbox, randomBytes },
      buffers: new WriteBuffers({ clock, totalBytes: 16 * PAGE_BYTES, slowAfterMs: 1000 }),
      garbage: { add: () => {} },
      writer: new ChunkWriter({
        clock,
        placement: nodes,
        client: nodes,
        copyTimeoutMs: 2000,
        stragglerTimeoutMs: 50,
      }),
      reader: new ChunkReader({
        clock,
        receiverPauseMs: 50,
        placement: nodes,
        client: nodes,
        stallTimeoutMs: 1000,
        maxRounds: 2,
      }),
      chunkBytes: CHUNK_BYTES,
      sourceIdleTimeoutMs: idleMs,
      chunksInFlight: 2,
    });
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      kysely.transaction().execute(work);
    const shared = {
      ...{
        objects: this.objects,
        videos: new SqlVideoRepository(kysely),
        inTransaction,
        clock,
        logger: silentLogger,
      },
      quotas: new Quotas(kysely, { bytes: 0, videos: 0 }),
      attachments: { of: async () => [], deleteAll: async () => [] },
      derived: { deleteAll: async () => [] },
    };
    const createId = () => uuidv7();
    const cluster = { id: uuidv7(), replicas: 3, ranges: 4096 };
    const records = new VideoRecords({ ...shared, store, cluster, createId });
    const leases = new UploadLeases({ objects: this.objects, leaseMs: 60_000, logger: silentLogger });
    const service = new VideoService({
      ...{ ...shared, store, records, leases, createId, uploadBytesMax: UPLOAD_BYTES_MAX },
      ...{ announceChange: async () => {}, cachedVideosMax: 0, cachedChunksMax: 0 },
    });
    return { store, records, service, shared };
  }
}

function invalid(): never {
  throw invalidToken();
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
