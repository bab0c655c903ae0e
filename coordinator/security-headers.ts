import type { MiddlewareHandler } from 'hono';

/**
 * What every answer of the API tells browsers: it is what it says it is, it is no page, it belongs in no frame, and its
 * address is nobody else's business. Handlers that answer with pages say something else themselves.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  // What is meant to be kept says so itself.
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

export function securityHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
  };
}
