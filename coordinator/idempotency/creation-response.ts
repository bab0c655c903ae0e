import type { CreationAnswer } from './idempotency-keys.ts';

/** The answer as the server sends it. */
export function creationResponse({ status, headers, body }: CreationAnswer): Response {
  return new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } });
}
