import { type Context, Hono, type Next } from 'hono';
import { isEmbeddable, matchPage } from '../web/app/paths.ts';
import type { BuiltPage } from './built-files.ts';
import { pagePolicy } from './page-policy.ts';

/** Asked for again each time: another version of this program may answer. */
const REVALIDATED = 'no-cache';
/** Of a file whose name has a hash of its content in it. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

export interface WebRoutesOptions {
  readonly page: BuiltPage;
  /** Where clients reach the storage nodes. */
  readonly nodeOrigins: () => readonly string[];
}

/**
 * The web page: its document at the addresses of its pages and nowhere else, and its files. It holds no secrets, so it is
 * no operation of the API, and nobody needs to be asked who they are.
 */
export function createWebRoutes({ page, nodeOrigins }: WebRoutesOptions): Hono {
  const app = new Hono();
  app.use(async (c: Context, next: Next) => {
    const { method, path } = c.req;
    if (method !== 'GET' && method !== 'HEAD') return next();
    const file = page.files.get(path);
    if (file !== undefined) return file.asset.answer(c, file.isImmutable ? IMMUTABLE : REVALIDATED);
    const match = matchPage(path);
    if (match === undefined) return next();
    return page.document.answer(c, REVALIDATED, {
      'content-security-policy': pagePolicy(nodeOrigins(), isEmbeddable(match.page)),
      'cross-origin-opener-policy': 'same-origin',
    });
  });
  return app;
}
