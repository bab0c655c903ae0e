import { parse, serialize } from 'hono/utils/cookie';
import { ACCESS_TOKEN_TTL_S, REFRESH_TOKEN_TTL_MS } from './limits.ts';

const ACCESS = 'orbitvids_access';
const REFRESH = 'orbitvids_refresh';
/** The refresh token goes where it is needed, and nowhere else. */
const REFRESH_PATH = '/api/v1/auth';

/** What a request says about the page that makes it. */
export interface PageHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  readonly 'sec-fetch-site'?: string | undefined;
}

/** Values of Set-Cookie that bring the tokens of a login to a browser, where no script can read them. */
export function loginCookies(
  tokens: { readonly accessToken: string; readonly refreshToken: string },
  isHttps: boolean,
): string[] {
  return [
    accessCookie(tokens.accessToken, ACCESS_TOKEN_TTL_S, isHttps),
    refreshCookie(tokens.refreshToken, REFRESH_TOKEN_TTL_MS / 1000, isHttps),
  ];
}

/** Values of Set-Cookie that take them away. */
export function logoutCookies(isHttps: boolean): string[] {
  return [accessCookie('', 0, isHttps), refreshCookie('', 0, isHttps)];
}

export function accessTokenOf(cookie: string | undefined): string | undefined {
  return namedValue(cookie, `__Host-${ACCESS}`, ACCESS);
}

export function refreshTokenOf(cookie: string | undefined): string | undefined {
  return namedValue(cookie, `__Secure-${REFRESH}`, REFRESH);
}

/**
 * Whether a page of this very site makes the request: a browser says so and cannot be told to lie. Of browsers that do not
 * say `Sec-Fetch-Site` the origin is compared; a request that says neither does not come from a page of ours.
 */
export function isSameOrigin({ origin, host, 'sec-fetch-site': site }: PageHeaders): boolean {
  if (site !== undefined) return site === 'same-origin';
  if (origin === undefined || host === undefined) return false;
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && url.host === host.toLowerCase();
}

/** Whether the page came over https, as far as it says: then the cookies go over nothing else. */
export function isHttpsPage({ origin }: PageHeaders): boolean {
  return origin?.startsWith('https://') ?? false;
}

/** Lax: a link from elsewhere finds the user logged in. What changes anything is checked by `isSameOrigin`. */
function accessCookie(value: string, maxAge: number, isHttps: boolean): string {
  return serialize(isHttps ? `__Host-${ACCESS}` : ACCESS, value, {
    httpOnly: true,
    sameSite: 'Lax',
    secure: isHttps,
    path: '/',
    maxAge,
  });
}

function refreshCookie(value: string, maxAge: number, isHttps: boolean): string {
  return serialize(isHttps ? `__Secure-${REFRESH}` : REFRESH, value, {
    httpOnly: true,
    sameSite: 'Strict',
    secure: isHttps,
    path: REFRESH_PATH,
    maxAge,
  });
}

/** The one that only https can have set counts first. */
function namedValue(cookie: string | undefined, secure: string, plain: string): string | undefined {
  if (cookie === undefined || !cookie.includes('orbitvids_')) return undefined;
  const value = parse(cookie, secure)[secure] ?? parse(cookie, plain)[plain];
  return value === '' ? undefined : value;
}
