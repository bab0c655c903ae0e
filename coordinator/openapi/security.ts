import type { Rule } from '../auth/access.ts';
import type { Json } from './json-schemas.ts';

/** Who may call an operation, in words. */
export const ACCESS_WORDS: Readonly<Record<Rule['who'], string>> = {
  anyone: 'Everybody.',
  reader:
    'Everybody, unless reading needs an account here; what is private only its owner and administrators.',
  guest: 'Whoever has the address: the grant in it is the permission.',
  signedIn: 'Whoever is logged in.',
  account: 'Whoever is logged in, with the token or cookie of the login itself.',
  uploader: 'Uploaders and administrators.',
  owner: 'The owner and administrators.',
  admin: 'Administrators.',
  adminOrNode: 'Administrators and storage nodes of the cluster.',
  worker: 'Transcode workers of the cluster.',
};

export const SECURITY_SCHEMES: Json = {
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The `accessToken` of a login, good for 15 minutes.',
  },
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'ovk_...',
    description: 'An API key. It must be good for the operation’s `x-scope`.',
  },
  adminToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'orbitvids_...',
    description: 'The admin token, which the first start shows: an administrator without an account.',
  },
  cookie: {
    type: 'apiKey',
    in: 'cookie',
    name: 'orbitvids_access',
    description:
      'Of a login with `"session": "cookie"`; over https it is named `__Host-orbitvids_access`. What changes something has to come from a page of the same origin.',
  },
  grant: {
    type: 'apiKey',
    in: 'query',
    name: 'x-grant',
    description: 'A signed address, as `POST /api/v1/videos/{id}/playback-url` gives out.',
  },
  workerToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'orbitvids_worker_...',
    description: 'The token of the cluster’s transcode workers.',
  },
  node: {
    type: 'apiKey',
    in: 'query',
    name: 'x-signature',
    description: 'A storage node’s signature, made with the cluster’s secret.',
  },
};

/** What opens an operation, one of them; an empty one: nothing is needed. */
export function securityOf({ who, grant }: Rule): Json[] {
  if (who === 'anyone' || who === 'guest') return [];
  if (who === 'worker') return [{ workerToken: [] }];
  // What only the token or cookie of a login opens, and what also opens by keys that stand for their user.
  const login = [{ accessToken: [] }, { cookie: [] }];
  if (who === 'account') return login;
  const known = [...login, { apiKey: [] }, { adminToken: [] }];
  if (who === 'adminOrNode') return [...known, { node: [] }];
  if (who !== 'reader') return known;
  return [{}, ...known, ...(grant === undefined ? [] : [{ grant: [] }])];
}
