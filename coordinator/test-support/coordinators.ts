import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { positionOf } from '../../lib/hashring/index.ts';
import { HttpServer } from '../../lib/http/http-server.ts';
import { createLogger } from '../../lib/logging/logger.ts';
import { TestPostgres } from '../../tests/support/postgres.ts';
import { readCoordinatorConfig } from '../config.ts';
import { type Context, openContext } from '../context.ts';
import { type DatabaseHandle, openDatabase } from '../database/database.ts';
import type { Role, Visibility } from '../database/schema.ts';
import type { Engine } from '../database/test-support/engines.ts';
import { copyMigratedPglite } from '../database/test-support/pglite-template.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { createChunkId } from '../objects/chunk-id.ts';
import { documentedFetch } from '../openapi/test-support/documented-answers.ts';

export const ADMIN_TOKEN = 'the-admin-token-of-the-tests';
export const CLUSTER_SECRET = 'the-cluster-secret-of-the-tests';
export const PASSWORD = 'vivid-otter-stapler';
export const FIRST_ADMIN = { email: 'boss@example.org', password: 'quiet-lemur-lantern' };

export interface CoordinatorsOptions {
  readonly engine?: Engine;
  /** How many on one database; more than one needs PostgreSQL. */
  readonly count?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many different answers
  readonly json: any;
}

export interface Session {
  readonly userId: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Whole coordinators without storage nodes, in this process, behind real servers. */
export class Coordinators implements AsyncDisposable {
  readonly urls: string[] = [];
  readonly contexts: Context[] = [];
  /** Every line that was logged, at every level. */
  readonly logged: string[] = [];
  readonly postgres: TestPostgres | undefined;
  database!: DatabaseHandle;
  readonly #stack = new AsyncDisposableStack();
  readonly #stopping = new AbortController();
  #emails = 0;

  private constructor(postgres: TestPostgres | undefined) {
    this.postgres = postgres;
  }

  static async open({
    engine = 'pglite',
    count = 1,
    env = {},
  }: CoordinatorsOptions = {}): Promise<Coordinators> {
    await using stack = new AsyncDisposableStack();
    const dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-coordinators-'));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    const postgres = engine === 'postgresql' ? stack.use(await TestPostgres.open()) : undefined;
    if (postgres === undefined) await copyMigratedPglite(dataDir);
    const databaseUrl = await postgres?.createDatabase();
    const opened = new Coordinators(postgres);
    for (let index = 0; index < count; index++) {
      await opened.#start({
        ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
        DATA_DIR: dataDir,
        CLUSTER_SECRET,
        ADMIN_TOKEN,
        ADMIN_EMAIL: FIRST_ADMIN.email,
        ADMIN_PASSWORD: FIRST_ADMIN.password,
        RANGES: '256',
        LOG_LEVEL: 'trace',
        ...env,
      });
    }
    // PGlite belongs to the one coordinator; what tests do behind its back needs PostgreSQL.
    if (databaseUrl !== undefined) {
      const handle = await openDatabase({ dataDir, databaseUrl, logger: silentLogger });
      opened.database = opened.#stack.use(handle);
    }
    const before = stack.move();
    return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.#close(before) });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /**
   * Sends a request to one of the coordinators' API, or to its root when the path begins with two slashes. Rejects when the
   * answer is not what `/openapi.json` says of it.
   */
  async ask(
    method: string,
    target: string,
    options: {
      readonly token?: string | undefined;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      readonly at?: number;
    } = {},
  ): Promise<Answer> {
    const { token, body, headers = {}, at = 0 } = options;
    const url = this.urls[at]! + (target.startsWith('//') ? target.slice(1) : `/api/v1${target}`);
    const response = await documentedFetch(url, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && {
        body:
          typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** A new user with the role, made by the operator. */
  async addUser(role: Role, at = 0): Promise<{ id: string; email: string }> {
    this.#emails += 1;
    const email = `${role}-${this.#emails}@example.org`;
    const answer = await this.ask('POST', '/users', {
      token: ADMIN_TOKEN,
      body: { email, password: PASSWORD, role },
      at,
    });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.json;
  }

  async login(email: string, at = 0, password = PASSWORD): Promise<Session> {
    const { status, json, text } = await this.ask('POST', '/auth/login', { body: { email, password }, at });
    if (status !== 200) throw new Error(text);
    return { userId: json.user.id, email, accessToken: json.accessToken, refreshToken: json.refreshToken };
  }

  /** A new user with the role, logged in. */
  async join(role: Role, at = 0): Promise<Session> {
    return await this.login((await this.addUser(role, at)).email, at);
  }

  /** A video whose bytes no node has. Needs PostgreSQL. */
  async addVideo(ownerId: string | null, visibility: Visibility): Promise<string> {
    const { kysely } = this.database;
    const id = uuidv7();
    const sha256 = randomBytes(32);
    await kysely
      .insertInto('objects')
      .values({ id, state: 'committed', size: 4, sha256, lease_expires_at: null })
      .execute();
    const chunkId = createChunkId(id, 0, randomBytes(8));
    const chunk = { index: 0, position: positionOf(chunkId), length: 4, checksum: 0 };
    await kysely
      .insertInto('chunks')
      .values({ object_id: id, id: chunkId, ...chunk })
      .execute();
    const row = { object_id: id, title: 'T', filename: null, content_type: 'video/mp4', size: 4, sha256 };
    await kysely
      .insertInto('videos')
      .values({ id, owner_id: ownerId, visibility, ...row })
      .execute();
    return id;
  }

  async #start(environment: Record<string, string>): Promise<void> {
    const logger = createLogger(
      { name: 'test', level: 'trace' },
      { write: (line) => void this.logged.push(line) },
    );
    const config = readCoordinatorConfig(environment);
    const context = await openContext(this.#stack, config, logger, this.#stopping.signal);
    const server = this.#stack.use(
      await HttpServer.open({
        ...context.app,
        host: '127.0.0.1',
        port: 0,
        headersTimeoutMs: 10_000,
        keepAliveTimeoutMs: 5_000,
        maxHeaderBytes: 16 * 1024,
        drainTimeoutMs: 100,
      }),
    );
    context.start();
    this.contexts.push(context);
    this.urls.push(server.url);
  }

  async #close(before: AsyncDisposableStack): Promise<void> {
    this.#stopping.abort(new Error('the test is over'));
    await this.#stack.disposeAsync();
    await before.disposeAsync();
  }
}
