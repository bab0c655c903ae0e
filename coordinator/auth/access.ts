import type { Scope } from './principal.ts';

/**
 * Who may call what: the one place that says so. `gate.ts` enforces it before any handler runs; an operation that is
 * not listed does not exist. Whose a video is, is for its handler to ask (`mayRead`, `mayChange`).
 */
export type Who =
  /** Everybody. Credentials are not looked at. */
  | 'anyone'
  /** Everybody, or with `ANONYMOUS_READ=off` whoever has an account. What is private only its owner gets. */
  | 'reader'
  /** Whoever has an address with a grant in its path. */
  | 'guest'
  /** A user, or the admin token. */
  | 'signedIn'
  /** A user who has logged in: no API key, no admin token. */
  | 'account'
  /** Uploaders and administrators. */
  | 'uploader'
  /** A user or the admin token; the handler refuses all but the owner and administrators. */
  | 'owner'
  | 'admin'
  /** An administrator, or a storage node that knows the cluster's secret. */
  | 'adminOrNode'
  /** A transcode worker that knows the workers' token, and nobody else. */
  | 'worker';

export interface Rule {
  readonly who: Who;
  /** What an API key must be good for. */
  readonly scope: Scope;
  /** The scope of signed URLs that open it as well. */
  readonly grant?: 'playback';
}

const anyone: Rule = { who: 'anyone', scope: 'videos:read' };
const reader: Rule = { who: 'reader', scope: 'videos:read' };
const player: Rule = { who: 'reader', scope: 'videos:read', grant: 'playback' };
const guest: Rule = { who: 'guest', scope: 'videos:read', grant: 'playback' };
const signedIn: Rule = { who: 'signedIn', scope: 'videos:read' };
const account: Rule = { who: 'account', scope: 'admin' };
const uploader: Rule = { who: 'uploader', scope: 'videos:write' };
const owner: Rule = { who: 'owner', scope: 'videos:write' };
const admin: Rule = { who: 'admin', scope: 'admin' };
const worker: Rule = { who: 'worker', scope: 'admin' };
const adminOrNode: Rule = { who: 'adminOrNode', scope: 'admin' };

/** Method and path as OpenAPI writes them; paths without `/api/v1` are those at the root. */
export const ACCESS = {
  'GET /healthz': anyone,
  'GET /readyz': anyone,
  'GET /metrics': anyone,
  'GET /openapi.json': anyone,
  'GET /docs': anyone,
  'GET /docs/reference.js': anyone,
  'GET /.well-known/jwks.json': anyone,

  'POST /api/v1/auth/register': anyone,
  'POST /api/v1/auth/login': anyone,
  // Who has a refresh token need not have an access token that is still good.
  'POST /api/v1/auth/refresh': anyone,
  'POST /api/v1/auth/logout': anyone,
  'GET /api/v1/auth/me': signedIn,
  'POST /api/v1/auth/password': account,

  'GET /api/v1/users': admin,
  'POST /api/v1/users': admin,
  'GET /api/v1/users/{id}': admin,
  'PATCH /api/v1/users/{id}': admin,
  'DELETE /api/v1/users/{id}': admin,

  // A key makes no other keys, so that one which leaks can be taken back.
  'GET /api/v1/api-keys': account,
  'POST /api/v1/api-keys': account,
  'DELETE /api/v1/api-keys/{id}': account,

  'POST /api/v1/videos': uploader,
  'GET /api/v1/videos': reader,
  // Whoever may not read a video is told that it is not there.
  'GET /api/v1/videos/events': reader,
  'GET /api/v1/videos/{id}': reader,
  'PATCH /api/v1/videos/{id}': owner,
  'DELETE /api/v1/videos/{id}': owner,
  'GET /api/v1/videos/{id}/content': player,
  'HEAD /api/v1/videos/{id}/content': player,
  'POST /api/v1/videos/{id}/playback-url': reader,

  'GET /api/v1/videos/{id}/hls/master.m3u8': player,
  'GET /api/v1/videos/{id}/hls/{rendition}/index.m3u8': player,
  'GET /api/v1/videos/{id}/hls/{rendition}/init-{piece}.mp4': player,
  'GET /api/v1/videos/{id}/hls/{rendition}/{number}.m4s': player,
  'GET /api/v1/videos/{id}/hls/captions/{name}/index.m3u8': player,
  'GET /api/v1/videos/{id}/hls/captions/{name}/captions.vtt': player,
  'GET /api/v1/videos/{id}/poster.jpg': player,
  'GET /api/v1/videos/{id}/storyboard.vtt': player,
  'GET /api/v1/videos/{id}/storyboard-{number}.jpg': player,
  'GET /api/v1/videos/{id}/preview.webp': player,
  'GET /api/v1/playback/{grant}/{id}/{path}': guest,

  'GET /api/v1/videos/{id}/attachments': reader,
  'GET /api/v1/videos/{id}/attachments/{name}': player,
  'PUT /api/v1/videos/{id}/attachments/{name}': owner,
  'DELETE /api/v1/videos/{id}/attachments/{name}': owner,

  'POST /api/v1/videos/import': uploader,
  'GET /api/v1/imports/{id}': uploader,
  'DELETE /api/v1/imports/{id}': uploader,

  'POST /api/v1/videos/{id}/transcode': owner,
  // Whose a job is, its handlers ask; somebody else's is not there.
  'GET /api/v1/jobs': signedIn,
  'GET /api/v1/jobs/{id}': signedIn,
  'POST /api/v1/jobs/{id}/retry': uploader,
  'POST /api/v1/jobs/{id}/cancel': uploader,
  'GET /api/v1/workers': admin,
  'POST /api/v1/workers/lease': worker,
  'POST /api/v1/workers/tasks/{id}/heartbeat': worker,
  'POST /api/v1/workers/tasks/{id}/outputs': worker,
  'PUT /api/v1/workers/tasks/{id}/outputs/{name}': worker,
  'POST /api/v1/workers/tasks/{id}/complete': worker,
  'POST /api/v1/workers/tasks/{id}/fail': worker,
  'POST /api/v1/workers/tasks/{id}/release': worker,

  // Whose an upload is, its handlers ask; somebody else's is not there.
  'POST /api/v1/uploads': uploader,
  'GET /api/v1/uploads/{id}': uploader,
  'HEAD /api/v1/uploads/{id}': uploader,
  'PATCH /api/v1/uploads/{id}': uploader,
  'DELETE /api/v1/uploads/{id}': uploader,
  'POST /api/v1/uploads/{id}': uploader,
  'POST /api/v1/uploads/direct': uploader,
  'GET /api/v1/uploads/direct/{id}': uploader,
  'DELETE /api/v1/uploads/direct/{id}': uploader,
  'POST /api/v1/uploads/direct/{id}/complete': uploader,

  // Whose a webhook is, its handlers ask as well.
  'GET /api/v1/webhooks': uploader,
  'POST /api/v1/webhooks': uploader,
  'GET /api/v1/webhooks/{id}': uploader,
  'PATCH /api/v1/webhooks/{id}': uploader,
  'DELETE /api/v1/webhooks/{id}': uploader,
  'POST /api/v1/webhooks/{id}/rotate-secret': uploader,
  'POST /api/v1/webhooks/{id}/test': uploader,
  'POST /api/v1/webhooks/{id}/replay': uploader,
  'GET /api/v1/webhooks/{id}/deliveries': uploader,
  'POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/replay': uploader,

  'GET /api/v1/movies': reader,
  'POST /api/v1/movies': admin,
  'GET /api/v1/movies/suggest': reader,
  'POST /api/v1/movies/import': admin,
  'GET /api/v1/movies/{id}': reader,
  'PUT /api/v1/movies/{id}': admin,
  'PATCH /api/v1/movies/{id}': admin,
  'DELETE /api/v1/movies/{id}': admin,
  'GET /api/v1/genres': reader,

  'GET /api/v1/admin/nodes': admin,
  'POST /api/v1/admin/nodes': adminOrNode,
  'POST /api/v1/admin/nodes/plan': admin,
  'PATCH /api/v1/admin/nodes/{id}': admin,
  'DELETE /api/v1/admin/nodes/{id}': admin,
  'GET /api/v1/admin/rebalances': admin,
  'POST /api/v1/admin/rebalances': admin,
  'GET /api/v1/admin/rebalances/{id}': admin,
  'PATCH /api/v1/admin/rebalances/{id}': admin,
  'POST /api/v1/admin/rebalances/{id}/pause': admin,
  'POST /api/v1/admin/rebalances/{id}/resume': admin,
  'POST /api/v1/admin/rebalances/{id}/cancel': admin,
  'GET /api/v1/admin/repair': admin,
  'POST /api/v1/admin/repair': admin,
  'GET /api/v1/admin/repair/chunks': admin,
  'GET /api/v1/admin/events': admin,
  'GET /api/v1/admin/audit': admin,
  'POST /api/v1/admin/signing-keys/revoke': admin,
  'GET /api/v1/admin/cluster': admin,
  'GET /api/v1/admin/ring': admin,
  'GET /api/v1/admin/ring/locate': admin,
} as const satisfies Readonly<Record<string, Rule>>;

export type Operation = keyof typeof ACCESS;

export const OPERATIONS = Object.keys(ACCESS) as readonly Operation[];

export function ruleOf(operation: Operation): Rule {
  return ACCESS[operation];
}

/** `GET /videos/{id}` as its method and the pattern that Hono matches. */
export function partsOf(operation: Operation): { readonly method: string; readonly pattern: string } {
  const [method, path] = operation.split(' ') as [string, string];
  return { method, pattern: path.split('/').map(patternOf).join('/') };
}

/** Of one segment. Where a parameter is only a part of it, or has slashes in it, Hono is told by an expression. */
function patternOf(segment: string): string {
  if (segment === ALL_THE_REST) return ':path{.+}';
  const name = /\{(\w+)\}/.exec(segment)?.[1];
  if (name === undefined) return segment;
  return segment === `{${name}}` ? `:${name}` : `:${name}{${expressionOf(segment)}}`;
}

const ALL_THE_REST = '{path}';

function expressionOf(path: string): string {
  return path
    .replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replaceAll(ALL_THE_REST, '.+')
    .replaceAll(/\{\w+\}/g, '[^/]+');
}

const PATHS: readonly { readonly method: string; readonly path: RegExp }[] = OPERATIONS.map((operation) => {
  const [method, path] = operation.split(' ') as [string, string];
  return { method, path: new RegExp(`^${expressionOf(path)}$`) };
});

/** The methods that the path answers, as for `Allow` (RFC 9110): HEAD with GET, OPTIONS below `/api/`; none if it does not exist. */
export function methodsAt(path: string): string[] {
  const methods = PATHS.filter((known) => known.path.test(path)).map(({ method }) => method);
  if (methods.includes('GET')) methods.push('HEAD');
  if (methods.length > 0 && path.startsWith('/api/')) methods.push('OPTIONS');
  return [...new Set(methods)];
}
