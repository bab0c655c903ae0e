import { Problem, problemOf, unreachable } from './problem.ts';
import { hasLogin, renew } from './renewal.ts';

export const API = '/api/v1';

/** Longest time for an answer. */
const TIMEOUT_MS = 60_000;

export interface Wanted {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Whether the server is asked even if the browser has an answer that it may still use. */
  readonly isFresh?: boolean;
  /** None for 0. */
  readonly timeoutMs?: number;
}

export interface Versioned<Value> {
  readonly value: Value;
  /** For `If-Match`. */
  readonly etag: string | undefined;
}

/** Sends a request to the API and resolves with what it answers as JSON. Rejects with Problem, or the signal's reason. */
export async function ask<Value>(method: string, path: string, wanted: Wanted = {}): Promise<Value> {
  return (await askVersioned<Value>(method, path, wanted)).value;
}

/** The same, with the version of what is answered. */
export async function askVersioned<Value>(
  method: string,
  path: string,
  wanted: Wanted = {},
): Promise<Versioned<Value>> {
  const { query, json, signal, timeoutMs = TIMEOUT_MS } = wanted;
  const timeout = timeoutMs === 0 ? [] : [AbortSignal.timeout(timeoutMs)];
  const response = await send(API + path + queryOf(query), {
    method,
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...wanted.headers },
    body: json === undefined ? (wanted.body ?? null) : JSON.stringify(json),
    ...(wanted.isFresh && { cache: 'no-cache' as const }),
    signal: AbortSignal.any([...timeout, ...(signal === undefined ? [] : [signal])]),
  });
  if (!response.ok) throw await problemOf(response);
  const value = (response.status === 204 ? undefined : await response.json()) as Value;
  return { value, etag: response.headers.get('etag') ?? undefined };
}

/**
 * `fetch` with the login of this page: when it has expired, it is renewed and the request sent once more. Rejects with
 * Problem when nobody answers, or with the signal's reason.
 */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const startedMs = Date.now();
  const first = await sendOnce(url, init);
  if (first.status !== 401 || !hasLogin() || url.startsWith(`${API}/auth/log`)) return first;
  return (await renew(startedMs)) === 'renewed' ? await sendOnce(url, init) : first;
}

async function sendOnce(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted && !isTimeout(init.signal.reason)) throw init.signal.reason;
    throw unreachable(error);
  }
}

export function queryOf(query: Wanted['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '' || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** Whether a request was given up on purpose. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}
