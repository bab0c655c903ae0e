import type { IncomingHttpHeaders } from 'node:http';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import { type Soon, whenThere } from '../../lib/soon/soon.ts';
import type { ErrorCode } from '../errors.ts';
import { methodsAt, OPERATIONS, type Operation, partsOf, type Rule, ruleOf } from './access.ts';
import { isAdmin, NOBODY, NODE, type Principal, WORKER } from './principal.ts';

/** Of a request: what is said about who makes it. */
export interface Credentials {
  readonly method: string;
  /** Path and query, as received. */
  readonly target: string;
  readonly headers: Pick<IncomingHttpHeaders, 'authorization' | 'cookie' | 'origin' | 'host'> & {
    readonly 'sec-fetch-site'?: string | undefined;
  };
}

/** Says who makes a request. */
export interface Authenticator {
  /**
   * Nobody when there are no credentials. Throws or rejects with `unauthorized` when there are some that are not
   * good, and with `database_unavailable` when that cannot be told now: nobody passes on trust.
   */
  identify(credentials: Credentials): Soon<Principal>;
  /** Whether a signed URL of that scope opens the target; undefined when it is none. Fails like `identify`. */
  admitGuest?(scope: NonNullable<Rule['grant']>, target: string): Soon<Principal | undefined>;
  /** Whether a storage node signed the request; undefined when nobody did. Throws `unauthorized` for a bad signature. */
  identifyNode?(method: string, target: string): boolean | undefined;
  /** Whether the Authorization header is a transcode worker's. */
  identifyWorker?(authorization: string | undefined): boolean;
}

export interface GateOptions {
  readonly authenticator: Authenticator;
  /** Whether readers need no account. */
  readonly anonymousRead: boolean;
}

/** Where handlers find who makes the request: `c.get('principal')`. */
export interface GateEnv {
  Variables: { principal: Principal; requestId?: string };
}

export const CHALLENGE = 'Bearer realm="orbitvids"';

/** Lets requests pass whose maker may call the operation, by the table in `access.ts`. */
export class Gate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /**
   * Who makes the request, at once if that is known. Throws or rejects with `unauthorized`, `forbidden` or
   * `insufficient_scope` when it is not theirs to make.
   */
  admit(operation: Operation, credentials: Credentials): Soon<Principal> {
    const rule: Rule = ruleOf(operation);
    if (rule.who === 'anyone') return NOBODY;
    if (rule.grant === undefined) return this.#admitKnown(rule, credentials);
    const guest = this.#options.authenticator.admitGuest?.(rule.grant, credentials.target);
    return whenThere(guest, (admitted) => admitted ?? this.#admitKnown(rule, credentials));
  }

  #admitKnown(rule: Rule, credentials: Credentials): Soon<Principal> {
    const { authenticator } = this.#options;
    if (rule.who === 'adminOrNode' && authenticator.identifyNode?.(credentials.method, credentials.target)) {
      return NODE;
    }
    if (rule.who === 'worker' && authenticator.identifyWorker?.(credentials.headers.authorization)) {
      return WORKER;
    }
    return whenThere(authenticator.identify(credentials), (principal) => {
      this.#check(rule, principal);
      return principal;
    });
  }

  /**
   * Stands before the handlers that are mounted later. What is below `/api/` and not in the table is not found, so that a
   * handler which was forgotten there is open to nobody. Where the table has the path for other methods, it is 405.
   */
  // biome-ignore lint/suspicious/noExplicitAny: apps have bindings and variables of their own
  mount(app: Hono<any>): void {
    for (const operation of OPERATIONS) {
      const { method, pattern } = partsOf(operation);
      // Hono answers HEAD by what is there for GET, and asks for that.
      if (method !== 'HEAD') app.on(method, pattern, this.#guard(operation));
    }
    app.use(async (c, next) => {
      const { method, path } = c.req;
      const isApi = path.startsWith('/api/');
      if (c.get('principal') === undefined && !(isApi && method === 'OPTIONS')) {
        const allowed = methodsAt(path);
        if (allowed.length > 0) throw methodNotAllowed(method, path, allowed);
        if (isApi) throw new AppError<ErrorCode>('not_found', `Nothing answers ${method} ${path}.`);
      }
      await next();
    });
  }

  #guard(operation: Operation): MiddlewareHandler<GateEnv> {
    return async (c, next) => {
      c.set('principal', await this.admit(operation, credentialsOf(c)));
      await next();
    };
  }

  #check({ who, scope }: Rule, principal: Principal): void {
    if (who === 'guest') throw invalidToken('The address carries no grant.');
    if (principal.kind === 'nobody') {
      if (who === 'reader' && this.#options.anonymousRead) return;
      throw unauthorized('This needs an account or a token: Authorization: Bearer <token>.', CHALLENGE);
    }
    if (principal.kind === 'user' && principal.scopes !== null && !principal.scopes.includes(scope)) {
      throw new AppError<ErrorCode>('insufficient_scope', `The API key is not for this: it lacks ${scope}.`, {
        details: {
          headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${scope}"` },
        },
      });
    }
    if (!mayCall(who, principal)) {
      throw new AppError<ErrorCode>('forbidden', 'This account may not do that.');
    }
  }
}

function mayCall(who: Rule['who'], principal: Principal): boolean {
  switch (who) {
    case 'anyone':
    case 'reader':
    case 'signedIn':
    case 'owner':
      return true;
    case 'guest':
      return principal.kind === 'guest';
    case 'account':
      return principal.kind === 'user' && principal.sessionId !== null;
    case 'uploader':
      return isAdmin(principal) || (principal.kind === 'user' && principal.role === 'uploader');
    case 'admin':
    case 'adminOrNode':
      return isAdmin(principal);
    case 'worker':
      return false;
  }
}

function methodNotAllowed(method: string, path: string, allowed: readonly string[]): AppError {
  const allow = allowed.join(', ');
  return new AppError<ErrorCode>('method_not_allowed', `${path} answers ${allow}, and not ${method}.`, {
    details: { headers: { allow } },
  });
}

export function unauthorized(message: string, challenge: string): AppError {
  return new AppError<ErrorCode>('unauthorized', message, {
    details: { headers: { 'www-authenticate': challenge } },
  });
}

/** For credentials that are not good; says no more than that. */
export function invalidToken(message = 'The token is not valid, or not any more.'): AppError {
  return unauthorized(message, `${CHALLENGE}, error="invalid_token"`);
}

/** The token of an Authorization header (RFC 6750), undefined without one. Throws `unauthorized` for anything else. */
export function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  if (token === undefined) throw invalidToken('The Authorization header is not of the form: Bearer <token>.');
  return token;
}

function credentialsOf(c: Context): Credentials {
  const url = new URL(c.req.url);
  const header = (name: string) => c.req.header(name);
  return {
    method: c.req.method,
    target: `${url.pathname}${url.search}`,
    headers: {
      authorization: header('authorization'),
      cookie: header('cookie'),
      origin: header('origin'),
      host: header('host'),
      'sec-fetch-site': header('sec-fetch-site'),
    },
  };
}
