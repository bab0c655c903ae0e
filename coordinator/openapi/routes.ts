import { Hono } from 'hono';
import { createDocument } from './document.ts';

/** `/openapi.json`: what the API is, for programs and people. */
export function createOpenapiRoutes(): Hono {
  const app = new Hono();
  let text: string | undefined;
  app.get('/openapi.json', (c) => {
    text ??= JSON.stringify(createDocument());
    return c.body(text, 200, { 'content-type': 'application/json', 'cache-control': 'no-cache' });
  });
  return app;
}
