import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { z } from 'zod';
import { type JsonBodyLimits, readJsonFields } from '../json-body.ts';
import type { Origin } from './audit-log.ts';
import { addressOf } from './client-address.ts';
import { AUTH_BODY_BYTES_MAX } from './limits.ts';
import { NOBODY, type Principal } from './principal.ts';

/** The context of the routes of accounts. */
export interface AuthEnv {
  Bindings: HttpBindings;
  Variables: { principal: Principal; requestId?: string };
}

export interface RequestOptions {
  /** Proxies before this server whose `X-Forwarded-For` is to be believed. */
  readonly trustedProxies: number;
  /** How long a request's body may take. */
  readonly bodyTimeoutMs: number;
}

/** Who makes a request and from where, for the log and the limits. */
export function originOf(c: Context<AuthEnv>, options: RequestOptions): Origin {
  const address = addressOf(
    c.env?.incoming?.socket?.remoteAddress,
    c.req.header('x-forwarded-for'),
    options.trustedProxies,
  );
  return { principal: c.get('principal') ?? NOBODY, address, requestId: c.get('requestId') ?? null };
}

/** The JSON body, checked; one that is absent counts as an empty object. */
export async function fieldsOf<Schema extends z.ZodType>(
  c: Context<AuthEnv>,
  schema: Schema,
  options: RequestOptions,
): Promise<z.infer<Schema>> {
  const limits: JsonBodyLimits = { bytesMax: AUTH_BODY_BYTES_MAX, timeoutMs: options.bodyTimeoutMs };
  return await readJsonFields(c, schema, limits);
}
