import { z } from 'zod';
import type { Operation, Rule } from '../auth/access.ts';
import type { ErrorCode } from '../errors.ts';
import type { Description } from './description.ts';

/** What an operation can be refused with: its own codes, and those that come with being an operation of its kind. */
export function errorsOf(operation: Operation, rule: Rule, description: Description): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>(description.errors);
  const add = (...more: ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  const { query, body, form, requestHeaders = [] } = description;
  if (query !== undefined || form !== undefined) add('invalid_request');
  if (body instanceof z.ZodType) {
    add('invalid_request', 'invalid_json', 'incomplete_body');
    add('request_timeout', 'body_too_large', 'unsupported_media_type');
  }
  if (requestHeaders.includes('If-Match')) add('precondition_failed');
  if (rule.who !== 'anyone') add(...refusals(operation, rule));
  if (operation.includes(' /api/')) add('database_unavailable');
  add('internal');
  return [...codes];
}

/** By the gate. */
function refusals(operation: Operation, { who }: Rule): ErrorCode[] {
  if (who === 'guest') return ['unauthorized'];
  const codes: ErrorCode[] = ['unauthorized', 'insufficient_scope'];
  if (who !== 'reader' && who !== 'signedIn') codes.push('forbidden');
  // Where cookies count, whatever changes something has to come from a page of the same origin.
  if (!/^(GET|HEAD) /.test(operation)) codes.push('cross_site_request');
  return codes;
}
