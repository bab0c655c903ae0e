import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deriveWorkerToken } from '../../lib/worker-api/worker-token.ts';
import { OPERATIONS, partsOf } from '../auth/access.ts';
import { ADMIN_TOKEN, CLUSTER_SECRET, Coordinators, type Session } from '../test-support/coordinators.ts';
import { TokenForge } from '../test-support/forged-tokens.ts';
import { documentedFetch } from './test-support/documented-answers.ts';

/*
 * Walks the OpenAPI document and tries every operation as everybody. Who may call what is said here once more, in other
 * words than in `auth/access.ts`, so that a slip there is found.
 */
type Who =
  | 'anyone'
  | 'reader'
  | 'guest'
  | 'signedIn'
  | 'account'
  | 'uploader'
  | 'owner'
  | 'admin'
  | 'adminOrNode'
  | 'worker';

function expectedWho(method: string, path: string): Who {
  if (!path.startsWith('/api/v1/')) return 'anyone';
  const rest = path.slice('/api/v1'.length);
  if (rest === '/admin/nodes' && method === 'POST') return 'adminOrNode';
  if (rest.startsWith('/admin/') || rest.startsWith('/users')) return 'admin';
  if (rest.startsWith('/api-keys') || rest === '/auth/password') return 'account';
  if (rest === '/auth/me') return 'signedIn';
  if (rest.startsWith('/auth/')) return 'anyone';
  if (rest === '/workers') return 'admin';
  if (rest.startsWith('/workers/')) return 'worker';
  if (rest.startsWith('/jobs')) return method === 'GET' ? 'signedIn' : 'uploader';
  if (rest.endsWith('/transcode')) return 'owner';
  if (rest === '/videos' && method === 'POST') return 'uploader';
  if (rest.startsWith('/uploads') || rest.startsWith('/imports') || rest === '/videos/import')
    return 'uploader';
  if (rest.startsWith('/webhooks')) return 'uploader';
  if (/^\/(movies|genres)\b/.test(rest)) return method === 'GET' ? 'reader' : 'admin';
  if (rest.startsWith('/playback/')) return 'guest';
  if (/^\/videos\b/.test(rest)) return ['PATCH', 'PUT', 'DELETE'].includes(method) ? 'owner' : 'reader';
  throw new Error(`nobody has said who may ${method} ${path}`);
}

const ACTORS = ['nobody', 'viewer', 'other', 'owner', 'admin', 'operator', 'readKey', 'writeKey'] as const;
type Actor = (typeof ACTORS)[number];

/** Whom an operation lets through, what is somebody's aside. */
const ADMITTED: Readonly<Record<Who, readonly Actor[]>> = {
  anyone: ACTORS,
  reader: ['nobody', 'viewer', 'other', 'owner', 'admin', 'operator', 'readKey'],
  guest: [],
  signedIn: ['viewer', 'other', 'owner', 'admin', 'operator', 'readKey'],
  account: ['viewer', 'other', 'owner', 'admin'],
  uploader: ['other', 'owner', 'admin', 'operator', 'writeKey'],
  owner: ['owner', 'admin', 'operator', 'writeKey'],
  admin: ['admin', 'operator'],
  adminOrNode: ['admin', 'operator'],
  worker: [],
};

interface OperationOf {
  readonly method: string;
  readonly path: string;
  readonly who: Who;
}

const workerToken = deriveWorkerToken(CLUSTER_SECRET);
let world: Coordinators;
let operations: OperationOf[];
let document: { paths: Record<string, Record<string, Record<string, unknown>>> };
let sessions: Record<'viewer' | 'other' | 'owner' | 'admin', Session>;
const tokens: Partial<Record<Actor, string>> = {};

beforeAll(async () => {
  world = await Coordinators.open({ engine: 'postgresql' });
  document = (await world.ask('GET', '//openapi.json')).json;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((name) => {
      const method = name.toUpperCase();
      return { method, path, who: expectedWho(method, path) };
    }),
  );
  sessions = {
    viewer: await world.join('viewer'),
    other: await world.join('uploader'),
    owner: await world.join('uploader'),
    admin: await world.join('admin'),
  };
  for (const name of ['viewer', 'other', 'owner', 'admin'] as const)
    tokens[name] = sessions[name].accessToken;
  tokens.operator = ADMIN_TOKEN;
  // The keys are the owner's: what they lack, they lack by their scopes.
  for (const [name, scope] of [
    ['readKey', 'videos:read'],
    ['writeKey', 'videos:write'],
  ] as const) {
    const { json } = await world.ask('POST', '/api-keys', {
      token: sessions.owner.accessToken,
      body: { name, scopes: [scope] },
    });
    tokens[name] = json.key;
  }
});
afterAll(() => world[Symbol.asyncDispose]());

/** With something for each parameter. */
function pathOf(path: string, id: string): string {
  const values: Readonly<Record<string, string>> = {
    id,
    name: 'en.vtt',
    rendition: uuidv7(),
    path: 'poster.jpg',
  };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '0');
}

/** Status and code of the answer; what it streams is not waited for. */
async function send({ method, path }: OperationOf, token: string | undefined, id: string) {
  const stop = new AbortController();
  const hasBody = ['POST', 'PATCH'].includes(method);
  const response = await documentedFetch(world.urls[0]! + pathOf(path, id), {
    method,
    signal: stop.signal,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(hasBody && { 'content-type': 'application/json' }),
    },
    ...(hasBody && { body: '{}' }),
  });
  const isProblem = response.headers.get('content-type') === 'application/problem+json';
  const code = isProblem && method !== 'HEAD' ? ((await response.json()) as { code: string }).code : '';
  stop.abort();
  return { status: response.status, code };
}

/** The schema of the JSON body that an operation takes, by the document. */
function jsonBodyOf(method: string, path: string): unknown {
  const body = document.paths[path]?.[method.toLowerCase()]?.requestBody;
  return (body as { content: Record<string, unknown> } | undefined)?.content['application/json'];
}

/** By a client that knows every method. */
async function sendRaw(method: string, path: string) {
  const asked = request(world.urls[0]! + path, { method }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, text: await text(answer) };
}

/** Calls that must not happen here, because they end what the other calls need. */
const isFateful = ({ path }: OperationOf, actor: Actor) =>
  path.endsWith('/signing-keys/revoke') && ADMITTED.admin.includes(actor);

test('the document names every route that the app has, and nothing else', () => {
  const byRoute = new Map(
    OPERATIONS.map((operation) => {
      const { method, pattern } = partsOf(operation);
      return [`${method} ${pattern}`, operation as string];
    }),
  );
  const handlers = world.contexts[0]!.app.routes.filter((route) => !/^(ALL|OPTIONS) /.test(route)).map(
    (route) => byRoute.get(route) ?? route,
  );
  const named = operations.map(({ method, path }) => `${method} ${path}`);
  expect([...new Set(handlers)].filter((route) => !named.includes(route))).toEqual([]);
  for (const operation of named.filter((name) => !name.startsWith('HEAD '))) {
    // The gate's and the feature's own.
    expect(handlers.filter((route) => route === operation).length, operation).toBeGreaterThan(1);
  }
});

test('the document says of every operation who may call it', () => {
  expect(operations.length).toBeGreaterThan(40);
  for (const { method, path, who } of operations) {
    const described = document.paths[path]![method.toLowerCase()]!;
    expect([method, path, described['x-access']]).toEqual([method, path, who]);
    expect(described.summary).toEqual(expect.stringMatching(/\w/));
    expect(described.security === undefined).toBe(false);
  }
});

test('every operation lets those through whom it is for, and nobody else', async () => {
  for (const operation of operations) {
    for (const actor of ACTORS) {
      if (isFateful(operation, actor)) continue;
      // Each call gets a video of its own: some delete it.
      const isVideo = operation.path.startsWith('/api/v1/videos/{id}');
      const id = isVideo ? await world.addVideo(sessions.owner.userId, 'public') : uuidv7();
      const isLogout = operation.path.endsWith('/auth/logout');
      const { status, code } = await send(operation, isLogout ? undefined : tokens[actor], id);
      const what = `${operation.method} ${operation.path} as ${actor}: ${status} ${code}`;
      expect(status, what).not.toBe(500);
      if (ADMITTED[operation.who].includes(actor)) {
        // A refresh without a token is refused for that.
        if (!operation.path.endsWith('/auth/refresh')) expect([401, 403], what).not.toContain(status);
      } else {
        // Where the grant in the address is what counts, no account stands in for it.
        expect(status, what).toBe(actor === 'nobody' || operation.who === 'guest' ? 401 : 403);
        if (operation.method !== 'HEAD') {
          expect(['unauthorized', 'forbidden', 'insufficient_scope'], what).toContain(code);
        }
      }
    }
  }
});

test('a private video is there for nobody but its owner and administrators, in every operation', async () => {
  for (const operation of operations.filter(({ path }) => path.startsWith('/api/v1/videos/{id}'))) {
    for (const actor of ACTORS) {
      const id = await world.addVideo(sessions.owner.userId, 'private');
      const { status, code } = await send(operation, tokens[actor], id);
      const what = `${operation.method} ${operation.path} as ${actor}: ${status} ${code}`;
      const isTheirs = ['owner', 'admin', 'operator', 'readKey', 'writeKey'].includes(actor);
      if (isTheirs && ADMITTED[operation.who].includes(actor)) {
        // The videos here have no attachments, and nothing was made of them.
        const isMissing = ['attachment_not_found', 'rendition_not_found'].includes(code);
        if (!isMissing) expect([401, 403, 404, 500], what).not.toContain(status);
      } else if (actor === 'nobody' && operation.who !== 'reader') expect(status, what).toBe(401);
      else expect([403, 404], what).toContain(status);
      if (operation.who === 'reader' && !isTheirs) expect(status, what).toBe(404);
    }
  }
});

test('where a body is an object, null is none', async () => {
  const withBody = operations.filter(
    ({ method, path }) =>
      jsonBodyOf(method, path) !== undefined &&
      !path.startsWith('/api/v1/videos/{id}/') &&
      // Takes a list, or lines of anything, and reports what is none.
      path !== '/api/v1/movies/import',
  );
  expect(withBody.length).toBeGreaterThan(12);
  const video = await world.addVideo(null, 'public');
  for (const { method, path } of [
    ...withBody,
    { method: 'POST', path: `/api/v1/videos/${video}/playback-url` },
  ]) {
    const target = path.replace('/api/v1', '').replace('{id}', video);
    const isWorkers = path.startsWith('/api/v1/workers/');
    const isKeys = path.startsWith('/api/v1/api-keys');
    const token = isWorkers ? workerToken : isKeys ? sessions.admin.accessToken : tokens.admin;
    for (const body of ['null', '[]', '"x"', '7']) {
      const { status, json } = await world.ask(method, target, { token, body });
      expect([method, path, body, status, json.code]).toEqual([method, path, body, 400, 'invalid_request']);
    }
  }
});

test('every path says which methods it answers, and refuses all others', async () => {
  const videoId = uuidv7();
  for (const path of new Set(operations.map((operation) => operation.path))) {
    const target = path.replace('{id}', videoId);
    const isAlike = (other: string) => new RegExp(`^${other.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(target);
    const known = operations.filter((operation) => isAlike(operation.path)).map(({ method }) => method);
    if (known.includes('GET')) known.push('HEAD');
    const isApi = path.startsWith('/api/');
    if (isApi) known.push('OPTIONS');
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE']) {
      if (known.includes(method)) continue;
      const answer = await sendRaw(method, target);
      expect([method, path, answer.status]).toEqual([method, path, 405]);
      expect(new Set(answer.headers.allow?.split(', ')), `${method} ${path}`).toEqual(new Set(known));
      if (method !== 'HEAD') expect(JSON.parse(answer.text).code).toBe('method_not_allowed');
    }
  }
  expect((await sendRaw('PUT', '/api/v1/nothing')).status).toBe(404);
});

describe('tokens that are not good open nothing', () => {
  test('forged, expired and foreign ones', async () => {
    const forge = await TokenForge.open(world.database, world.contexts[0]!.clusterId);
    const { userId } = sessions.admin;
    const good = await forge.make({ userId });
    expect((await world.ask('GET', '/auth/me', { token: good })).status).toBe(200);
    const video = await world.addVideo(null, 'public');
    for (const [name, token] of Object.entries(await forge.badTokens(userId))) {
      for (const operation of operations) {
        if (operation.who === 'anyone') continue;
        const { status, code } = await send(operation, token, video);
        const what = `${operation.method} ${operation.path} with ${name}`;
        expect([status, operation.method === 'HEAD' ? 'unauthorized' : code], what).toEqual([
          401,
          'unauthorized',
        ]);
      }
    }
  });

  test('revoked ones', async () => {
    const { accessToken, refreshToken } = await world.join('admin');
    const video = await world.addVideo(null, 'public');
    expect((await world.ask('GET', '/users', { token: accessToken })).status).toBe(200);
    await world.ask('POST', '/auth/logout', { body: { refreshToken } });
    for (const operation of operations) {
      if (operation.who === 'anyone') continue;
      expect(
        (await send(operation, accessToken, video)).status,
        `${operation.method} ${operation.path}`,
      ).toBe(401);
    }
  });

  test('all of them, once the signing keys are revoked', async () => {
    const { accessToken } = await world.join('viewer');
    const { keys } = (await world.ask('GET', '//.well-known/jwks.json')).json;
    const { json } = await world.ask(
      'POST',
      `/videos/${await world.addVideo(null, 'private')}/playback-url`,
      {
        token: ADMIN_TOKEN,
        body: {},
      },
    );
    expect((await world.ask('HEAD', json.url.replace('/api/v1', ''))).status).toBe(200);
    expect((await world.ask('POST', '/admin/signing-keys/revoke', { token: ADMIN_TOKEN })).status).toBe(204);
    expect((await world.ask('GET', '/auth/me', { token: accessToken })).status).toBe(401);
    expect((await world.ask('HEAD', json.url.replace('/api/v1', ''))).status).toBe(401);
    const after = (await world.ask('GET', '//.well-known/jwks.json')).json.keys;
    expect(after).toHaveLength(1);
    expect(after[0].kid).not.toBe(keys[0].kid);
    const again = await world.join('viewer');
    expect((await world.ask('GET', '/auth/me', { token: again.accessToken })).status).toBe(200);
  });
});
