import { randomBytes } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { systemClock } from '../../../lib/clock/clock.ts';
import { createDirectHandler } from '../../../lib/http/direct-routes.ts';
import { HttpServer } from '../../../lib/http/http-server.ts';
import { createProblemHandlers } from '../../../lib/http/problem-handlers.ts';
import { requestId } from '../../../lib/http/request-id.ts';
import { createLogger } from '../../../lib/logging/logger.ts';
import { deriveKey, type SigningKey } from '../../../lib/signing/signed-url.ts';
import { bearerOf, Gate, invalidToken } from '../../auth/gate.ts';
import { NOBODY, OPERATOR, type Principal } from '../../auth/principal.ts';
import { UrlGrants, withoutGrant } from '../../auth/url-grants.ts';
import { FakeNodes } from '../../chunks/testing/fake-nodes.ts';
import { silentLogger } from '../../database/test-support/silent-logger.ts';
import { statusOf } from '../../errors.ts';
import type { Manifest } from '../../objects/manifest.ts';
import { documentedFetch } from '../../openapi/test-support/documented-answers.ts';
import type { PictureFile, Rendition, RenditionPiece } from '../../renditions/rendition.ts';
import type { Attachment } from '../../videos/attachment.ts';
import { describeContent, type VideoContent } from '../../videos/content.ts';
import { ContentCors } from '../../videos/content-cors.ts';
import { ContentResponder } from '../../videos/content-response.ts';
import { videoNotFound } from '../../videos/service.ts';
import { MemoryObjectStore } from '../../videos/test-support/memory-objects.ts';
import type { Video } from '../../videos/video-repository.ts';
import { PlaybackCatalog } from '../playback-catalog.ts';
import { RecipeBook } from '../recipe-book.ts';
import { createPlaybackDirectRoutes, createPlaybackRoutes, type PlaybackRoutesDeps } from '../routes.ts';
import { type Delivery, PlaybackService } from '../service.ts';
import { SliceUrls } from '../slice-urls.ts';
import { manifestOf } from './made-renditions.ts';

export const TOKEN = 'operator';

/** What players ask for, over HTTP, with everything below it in memory. */
export class PlaybackServer implements AsyncDisposable {
  readonly store = new MemoryObjectStore();
  readonly nodes = new FakeNodes(5);
  readonly key: SigningKey = deriveKey('a secret of the tests', 'storage-node');
  readonly renditions: Rendition[] = [];
  readonly pieces = new Map<string, RenditionPiece[]>();
  readonly pictures: PictureFile[] = [];
  /** What was rechecked because its bytes could not be had. */
  readonly rechecked: string[] = [];
  /** Of the repository. */
  lists = 0;
  nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  monotonicMs = 0;
  isRevoked = false;
  readonly logged: string[] = [];
  readonly #contents = new Map<string, VideoContent>();
  #asked = 0;
  readonly catalog: PlaybackCatalog;
  #server!: HttpServer;

  private constructor() {
    this.catalog = new PlaybackCatalog({
      list: async (videoId) => {
        this.lists += 1;
        return this.renditions.filter((rendition) => rendition.videoId === videoId);
      },
      pieces: async (renditionId) => this.pieces.get(renditionId) ?? [],
      pictures: async (videoId) => this.pictures.filter((picture) => picture.videoId === videoId),
    });
  }

  /** `direct: false` has the app answer what the direct routes would. */
  static async open(
    options: { delivery?: Delivery; direct?: boolean; anonymousRead?: boolean } = {},
  ): Promise<PlaybackServer> {
    const opened = new PlaybackServer();
    const { delivery = 'proxy', direct = true, anonymousRead = true } = options;
    await opened.#listen(delivery, direct, anonymousRead);
    return opened;
  }

  get url(): string {
    return `${this.#server.url}/api/v1`;
  }

  /** Like `fetch`, without following redirects; the answer has to be what the document says. */
  async get(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const response = await documentedFetch(
      path.startsWith('/api') ? this.#server.url + path : this.url + path,
      {
        ...{ method, headers, redirect: 'manual' },
      },
    );
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body, text: body.toString() };
  }

  video(
    overrides: Partial<Video> = {},
    bytes: Buffer = Buffer.from('video'),
    attachments: Attachment[] = [],
  ): Video {
    const manifest = this.stored(bytes);
    const at = new Date(this.nowMs);
    const video: Video = {
      ...{ id: uuidv7(), objectId: manifest.objectId, ownerId: null, visibility: 'public', title: 'T' },
      ...{ description: '', filename: null, contentType: 'video/mp4', size: bytes.length, sha256: null },
      ...{ version: 1, createdAt: at, updatedAt: at },
      ...overrides,
    };
    this.#contents.set(video.id, describeContent(video, manifest, attachments));
    return video;
  }

  /** The bytes as an object, with chunks that end at `cuts`. */
  stored(bytes: Buffer, cuts: readonly number[] = []): Manifest {
    const manifest = manifestOf(bytes.length, cuts);
    let start = 0;
    for (const { id, length } of manifest.chunks) {
      this.store.chunks.set(id, bytes.subarray(start, start + length));
      start += length;
    }
    return manifest;
  }

  add(rendition: Rendition, ...pieces: RenditionPiece[]): void {
    this.renditions.push(rendition);
    this.pieces.set(rendition.id, pieces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  /** Every other request has to wait for what it needs. */
  #cached(id: string): VideoContent | undefined {
    this.#asked += 1;
    return this.#asked % 2 === 0 ? this.#contents.get(id) : undefined;
  }

  async #listen(delivery: Delivery, isDirect: boolean, anonymousRead: boolean): Promise<void> {
    const clock = { ...systemClock, nowMs: () => this.nowMs, monotonicMs: () => this.monotonicMs };
    const publicUrls = new Map([['http://n0', 'https://public.example']]);
    const urls = new SliceUrls({ placement: this.nodes, key: this.key, publicUrls, clock, seed: 1 });
    const grants = new UrlGrants({
      secret: 'a secret of the tests',
      keys: { signer: () => ({ id: 'k' }) as never, has: (id) => id === 'k' },
      revocations: { isRevoked: () => this.isRevoked },
      clock,
    });
    const gate = new Gate({
      authenticator: {
        identify: ({ headers }) => {
          const token = bearerOf(headers.authorization);
          if (token !== undefined && token !== TOKEN) throw invalidToken();
          return token === undefined ? NOBODY : OPERATOR;
        },
        admitGuest: (scope, target) => grants.admit(scope, target),
      },
      anonymousRead,
    });
    const deps: PlaybackRoutesDeps = {
      service: new PlaybackService({
        ...{ catalog: this.catalog, recipes: new RecipeBook(this.catalog, this.store), urls, delivery },
        anonymousRead,
      }),
      videos: {
        cachedContent: (id) => this.#cached(id),
        content: async (id) => {
          const content = this.#contents.get(id);
          if (content === undefined) throw videoNotFound(id);
          return content;
        },
        recheck: async (id) => {
          this.rechecked.push(id);
          return this.#contents.get(id)!.video;
        },
      },
      responder: new ContentResponder({
        ...{ store: this.store, clientIdleTimeoutMs: 60_000, answersMax: 100 },
        createBoundary: () => randomBytes(20).toString('hex'),
      }),
      ...{ gate, grants, cors: new ContentCors(['*']), logger: silentLogger, basePath: '/api/v1' },
      ...{ trustedProxies: 1, bodyIdleTimeoutMs: 5000 },
    };
    const app = new Hono<{
      Bindings: HttpBindings;
      Variables: { requestId: string; principal: Principal };
    }>();
    const logger = createLogger(
      { name: 'test', level: 'warn' },
      { write: (line) => void this.logged.push(line) },
    );
    const problems = createProblemHandlers(logger, statusOf, withoutGrant);
    app.onError(problems.onError).notFound(problems.notFound).use(requestId());
    gate.mount(app);
    app.route('/api/v1', createPlaybackRoutes(deps));
    const direct = createDirectHandler(createPlaybackDirectRoutes(deps), { problems });
    this.#server = await HttpServer.open({
      fetch: app.fetch,
      direct: (incoming, outgoing) => isDirect && direct(incoming, outgoing),
      ...{ host: '127.0.0.1', port: 0, headersTimeoutMs: 10_000, keepAliveTimeoutMs: 5000 },
      ...{ maxHeaderBytes: 16 * 1024, drainTimeoutMs: 100 },
    });
  }
}
