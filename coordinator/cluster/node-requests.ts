import { type Dispatcher, request } from 'undici';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import type { ErrorCode } from '../errors.ts';
import { SIGNATURE_LIFETIME_S } from './limits.ts';

export interface NodeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  /** Path and query. */
  readonly target: string;
  readonly signed: boolean;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number;
  readonly limitBytes: number;
  /** Until when the signature is valid, wall clock, milliseconds; default: a minute from now. */
  readonly expiresAtMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request whose answer comes line by line, for as long as it takes. */
export interface LineRequest extends Omit<NodeRequest, 'timeoutMs' | 'limitBytes'> {
  /** Longest time without a byte. */
  readonly idleTimeoutMs: number;
  readonly lineBytesMax: number;
}

export interface NodeAnswer {
  readonly status: number;
  readonly text: string;
  header(name: string): string | undefined;
}

export interface NodeRequestsOptions {
  readonly dispatcher: Dispatcher;
  /** `deriveKey(clusterSecret, 'storage-node')`. */
  readonly signingKey: SigningKey;
  readonly clock: Clock;
}

/** Small requests to storage nodes; chunk bytes take another way. */
export class NodeRequests {
  readonly #options: NodeRequestsOptions;

  constructor(options: NodeRequestsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with any answer that arrives whole, whatever its status. Rejects with `node_unreachable` when
   * there is none in time or it is too long, and with the signal's reason when that aborts.
   */
  async send(url: string, wanted: NodeRequest): Promise<NodeAnswer> {
    const { clock } = this.#options;
    const expired = new AbortController();
    const cancel = clock.after(wanted.timeoutMs, () =>
      expired.abort(new Error(`no answer within ${wanted.timeoutMs} ms`)),
    );
    const signal = wanted.signal ? AbortSignal.any([wanted.signal, expired.signal]) : expired.signal;
    try {
      return await this.#exchange(url, wanted, signal);
    } catch (error) {
      if (wanted.signal?.aborted) throw wanted.signal.reason;
      throw unreachable(url, detailOf(error), error);
    } finally {
      cancel();
    }
  }

  /**
   * Hands on every line of a 200 answer as it comes; resolves at its end. Any other answer resolves too, and is given
   * whole. Rejections are those of `send`.
   */
  async lines(
    url: string,
    wanted: LineRequest,
    onLine: (line: string) => void,
  ): Promise<NodeAnswer | undefined> {
    const { dispatcher } = this.#options;
    try {
      const response = await request(`${url}${this.#sign(wanted)}`, {
        method: wanted.method,
        dispatcher,
        signal: wanted.signal ?? null,
        headersTimeout: wanted.idleTimeoutMs,
        bodyTimeout: wanted.idleTimeoutMs,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(wanted.body ?? {}),
      });
      if (response.statusCode !== 200) {
        const text = (await response.body.text()).slice(0, wanted.lineBytesMax);
        return { status: response.statusCode, text, header: () => undefined };
      }
      let rest = '';
      for await (const piece of response.body as AsyncIterable<Buffer>) {
        const parts = (rest + piece.toString('latin1')).split('\n');
        rest = parts.pop()!;
        if (rest.length > wanted.lineBytesMax) throw new Error('a line of the answer is too long');
        for (const part of parts) onLine(Buffer.from(part, 'latin1').toString('utf8'));
      }
      if (rest !== '') onLine(Buffer.from(rest, 'latin1').toString('utf8'));
      return undefined;
    } catch (error) {
      if (wanted.signal?.aborted) throw wanted.signal.reason;
      throw unreachable(url, detailOf(error), error);
    }
  }

  /** The URL under which another node may read from this one for a while. */
  urlOf(url: string, target: string): string {
    return `${url}${this.#sign({ method: 'GET', target })}`;
  }

  async #exchange(url: string, wanted: NodeRequest, signal: AbortSignal): Promise<NodeAnswer> {
    const { dispatcher } = this.#options;
    const response = await request(`${url}${wanted.signed ? this.#sign(wanted) : wanted.target}`, {
      method: wanted.method,
      dispatcher,
      signal,
      ...(wanted.body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(wanted.body) }),
    });
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > wanted.limitBytes) throw new Error(`the answer is longer than ${wanted.limitBytes} bytes`);
      pieces.push(piece);
    }
    const header = (name: string) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return { status: response.statusCode, text: Buffer.concat(pieces).toString('utf8'), header };
  }

  #sign({ method, target, expiresAtMs }: Pick<NodeRequest, 'method' | 'target' | 'expiresAtMs'>): string {
    const { clock, signingKey } = this.#options;
    const untilMs = expiresAtMs ?? clock.nowMs() + SIGNATURE_LIFETIME_S * 1000;
    return signTarget(signingKey, { method, target, expiresAtS: Math.floor(untilMs / 1000) });
  }
}

export function unreachable(
  url: string,
  detail: string,
  cause?: unknown,
  details: Record<string, unknown> = {},
): AppError {
  return new AppError<ErrorCode>(
    'node_unreachable',
    `The storage node at ${url} cannot be used: ${detail}.`,
    {
      cause,
      details,
    },
  );
}

/** A node's answer that is not the one asked for. Says so plainly when the secrets differ. */
export function refused(url: string, answer: NodeAnswer): AppError {
  if (answer.status === 401 || answer.status === 403) {
    const expired = codeOf(answer.text) === 'signature_expired';
    return expired
      ? unreachable(url, 'its clock differs from this one by more than a minute', undefined, {
          reason: 'clock_differs',
        })
      : unreachable(url, 'it refused the signature, so its CLUSTER_SECRET is another one', undefined, {
          reason: 'secret_differs',
        });
  }
  return unreachable(url, `it answered ${answer.status}${codeOf(answer.text).replace(/^(.+)$/, ' ($1)')}`);
}

/** The `code` of a problem document; empty when there is none. */
export function codeOf(text: string): string {
  try {
    const code: unknown = JSON.parse(text).code;
    return typeof code === 'string' ? code : '';
  } catch {
    return '';
  }
}

function detailOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return detailOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
