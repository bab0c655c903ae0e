import { type Context, Hono } from 'hono';
import type { AccountService, Login } from './account-service.ts';
import { assertSameOrigin } from './authenticator.ts';
import { accessTokenOf, isHttpsPage, loginCookies, logoutCookies, refreshTokenOf } from './cookies.ts';
import { type Authenticator, type Credentials, invalidToken } from './gate.ts';
import { ACCESS_TOKEN_TTL_S } from './limits.ts';
import type { UserPrincipal } from './principal.ts';
import { type AuthEnv, fieldsOf, originOf, type RequestOptions } from './request-origin.ts';
import {
  type LoginJson,
  loginSchema,
  logoutSchema,
  type MeJson,
  passwordChangeSchema,
  refreshSchema,
  registrationSchema,
  type UsageJson,
} from './schema.ts';
import { toUserJson } from './user-json.ts';

export interface AccountRoutesOptions extends RequestOptions {
  readonly accounts: AccountService;
  /** For a logout, which is open to everybody and looks at the token itself. */
  readonly authenticator: Pick<Authenticator, 'identify'>;
  readonly usageOf: (userId: string) => Promise<UsageJson>;
}

/** `/auth/...`: what people do with their own accounts; paths are relative to the API's prefix. */
export function createAccountRoutes(options: AccountRoutesOptions): Hono<AuthEnv> {
  const { accounts } = options;
  const app = new Hono<AuthEnv>();

  // Tokens and addresses are in these answers.
  app.use('/auth/*', async (c, next) => {
    c.header('cache-control', 'no-store');
    await next();
  });

  app.post('/auth/register', async (c) => {
    const wanted = await fieldsOf(c, registrationSchema, options);
    const user = await accounts.register(wanted, originOf(c, options));
    return c.json(toUserJson(user), 201);
  });

  app.post('/auth/login', async (c) => {
    const { session, ...credentials } = await fieldsOf(c, loginSchema, options);
    // Nobody is to be logged in to somebody else's account without knowing.
    if (session === 'cookie') assertSameOrigin(pageOf(c));
    return answerLogin(c, await accounts.login(credentials, originOf(c, options)), session === 'cookie');
  });

  app.post('/auth/refresh', async (c) => {
    const { refreshToken } = await fieldsOf(c, refreshSchema, options);
    const ofCookie = refreshToken === undefined ? refreshTokenOf(c.req.header('cookie')) : undefined;
    if (ofCookie !== undefined) assertSameOrigin(pageOf(c));
    const token = refreshToken ?? ofCookie;
    if (token === undefined) throw invalidToken('There is no refresh token in the request.');
    try {
      return answerLogin(c, await accounts.refresh(token, originOf(c, options)), ofCookie !== undefined);
    } catch (error) {
      // What is void is of no use in a browser.
      if (ofCookie !== undefined && isRefusal(error)) setCookies(c, logoutCookies(isHttpsPage(pageOf(c))));
      throw error;
    }
  });

  app.post('/auth/logout', async (c) => {
    const { refreshToken, everywhere } = await fieldsOf(c, logoutSchema, options);
    const cookie = c.req.header('cookie');
    const ofCookie = refreshToken === undefined ? refreshTokenOf(cookie) : undefined;
    const hasCookies = ofCookie !== undefined || accessTokenOf(cookie) !== undefined;
    if (hasCookies && c.req.header('authorization') === undefined) assertSameOrigin(pageOf(c));
    const principal = await sessionOf(c);
    const origin = { ...originOf(c, options), ...(principal && { principal }) };
    await accounts.logout({ refreshToken: refreshToken ?? ofCookie, principal }, everywhere, origin);
    if (hasCookies) setCookies(c, logoutCookies(isHttpsPage(pageOf(c))));
    return c.body(null, 204);
  });

  app.get('/auth/me', async (c) => {
    const principal = c.get('principal');
    if (principal.kind !== 'user') {
      return c.json({ role: 'admin', scopes: null, user: null, usage: null } satisfies MeJson);
    }
    const { userId } = principal;
    const [user, usage] = await Promise.all([accounts.find(userId), options.usageOf(userId)]);
    const scopes = principal.scopes === null ? null : [...principal.scopes];
    return c.json({ role: principal.role, scopes, user: toUserJson(user), usage } satisfies MeJson);
  });

  app.post('/auth/password', async (c) => {
    const wanted = await fieldsOf(c, passwordChangeSchema, options);
    await accounts.changePassword(c.get('principal') as UserPrincipal, wanted, originOf(c, options));
    return c.body(null, 204);
  });

  /** Whose access token the request has; undefined when it is void: a logout is not refused for that. */
  async function sessionOf(c: Context<AuthEnv>): Promise<UserPrincipal | undefined> {
    try {
      const headers = {
        ...pageOf(c),
        authorization: c.req.header('authorization'),
        cookie: c.req.header('cookie'),
      };
      const principal = await options.authenticator.identify({ method: 'POST', target: '', headers });
      return principal.kind === 'user' && principal.sessionId !== null ? principal : undefined;
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  return app;
}

function answerLogin(c: Context<AuthEnv>, login: Login, inCookies: boolean): Response {
  const answer: LoginJson = { expiresIn: ACCESS_TOKEN_TTL_S, user: toUserJson(login.user) };
  if (inCookies) {
    setCookies(c, loginCookies(login, isHttpsPage(pageOf(c))));
    return c.json(answer);
  }
  const { accessToken, refreshToken } = login;
  return c.json({ accessToken, tokenType: 'Bearer', refreshToken, ...answer } satisfies LoginJson);
}

function setCookies(c: Context<AuthEnv>, cookies: readonly string[]): void {
  for (const cookie of cookies) c.header('set-cookie', cookie, { append: true });
}

function pageOf(c: Context<AuthEnv>): Credentials['headers'] {
  return {
    origin: c.req.header('origin'),
    host: c.req.header('host'),
    'sec-fetch-site': c.req.header('sec-fetch-site'),
  };
}

function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'unauthorized' || code === 'account_disabled';
}
