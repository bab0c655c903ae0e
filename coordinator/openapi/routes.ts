import { Hono } from 'hono';
import packageJson from '../../package.json' with { type: 'json' };
import { Asset } from '../asset.ts';
import { createDocument } from './document.ts';
import { PAGE_BYTES, PAGE_POLICY, readScript, SCRIPT_VERSION } from './page.ts';

/** Asked for again each time: another version of this program may answer. */
const REVALIDATED = 'no-cache';
/** Of an address that has the version in it. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** `/openapi.json`: what the API is, for programs. `/docs`: the same for people, from this server alone. */
export function createOpenapiRoutes(): Hono {
  const app = new Hono();
  const document = new Asset({
    load: () => Buffer.from(JSON.stringify(createDocument(packageJson.version))),
    contentType: 'application/json',
  });
  const page = new Asset({
    load: () => PAGE_BYTES,
    contentType: 'text/html; charset=utf-8',
    headers: { 'content-security-policy': PAGE_POLICY },
  });
  const script = new Asset({ load: readScript, contentType: 'text/javascript; charset=utf-8' });

  app.get('/openapi.json', (c) => document.answer(c, REVALIDATED));
  app.get('/docs', (c) => page.answer(c, REVALIDATED));
  app.get('/docs/reference.js', (c) =>
    script.answer(c, c.req.query('v') === SCRIPT_VERSION ? IMMUTABLE : REVALIDATED),
  );
  return app;
}
