import { Hono } from 'hono';
import { JWKS_MAX_AGE_S } from './limits.ts';
import type { KeyRing } from './signing-keys.ts';

/** `/.well-known/jwks.json`: the public keys by which any service verifies access tokens (RFC 7517). */
export function createKeySetRoutes(keys: Pick<KeyRing, 'published'>): Hono {
  const app = new Hono();
  app.get('/.well-known/jwks.json', (c) =>
    c.json({ keys: keys.published() }, 200, {
      'cache-control': `public, max-age=${JWKS_MAX_AGE_S}`,
      'access-control-allow-origin': '*',
    }),
  );
  return app;
}
