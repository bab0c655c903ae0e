/**
 * Keeps the login alive. The tokens themselves are in cookies that no script can read; what is remembered here is that
 * there is a login, and when its access token was last renewed, so that the tabs of a browser do not all do it.
 */

const KEPT_AS = 'orbitvids.session';
const LOCK = 'orbitvids-session';
/** Renewed when so much of the token's life has passed. */
const RENEWED_AT_SHARE = 0.75;
/** A renewal that failed because nobody answered is tried again. */
const RETRY_MS = 15_000;
const TIMEOUT_MS = 20_000;

interface Hint {
  readonly renewedAtMs: number;
  readonly expiresInS: number;
}

export type Renewal = 'renewed' | 'refused' | 'unreachable';

let timer: ReturnType<typeof setTimeout> | undefined;
let tellOfEnd: () => void = () => {};
let running: Promise<Renewal> | undefined;

/** Whether somebody has logged in here and not out again, as far as is known. */
export function hasLogin(): boolean {
  return readHint() !== null;
}

/** To be called when somebody has logged in. */
export function rememberLogin(expiresInS: number): void {
  localStorage.setItem(KEPT_AS, JSON.stringify({ renewedAtMs: Date.now(), expiresInS } satisfies Hint));
  scheduleRenewal();
}

export function forgetLogin(): void {
  clearTimeout(timer);
  localStorage.removeItem(KEPT_AS);
}

/** Calls back when the server says that the login is over. */
export function onLoginOver(listener: () => void): void {
  tellOfEnd = listener;
}

/** Calls back when another tab has logged in or out. */
export function onOtherTab(listener: () => void): void {
  addEventListener('storage', (event) => {
    if (event.key !== KEPT_AS) return;
    if ((event.newValue === null) !== (event.oldValue === null)) listener();
    else scheduleRenewal();
  });
}

/** Renews the token before it expires, also when the machine has slept meanwhile. */
export function keepRenewing(): void {
  scheduleRenewal();
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') scheduleRenewal();
  });
}

/**
 * Renews the access token unless another tab has done so since `beforeMs`. Those who ask at the same time get the same
 * answer. `refused` means that the login is over.
 */
export function renew(beforeMs: number): Promise<Renewal> {
  running ??= exclusively(() => renewOnce(beforeMs)).finally(() => {
    running = undefined;
  });
  return running;
}

async function renewOnce(beforeMs: number): Promise<Renewal> {
  const hint = readHint();
  if (hint === null) return 'refused';
  if (hint.renewedAtMs > beforeMs) return 'renewed';
  let response: Response;
  try {
    response = await fetch('/api/v1/auth/refresh', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    return 'unreachable';
  }
  if (response.ok) {
    const { expiresIn } = (await response.json()) as { expiresIn: number };
    rememberLogin(expiresIn);
    return 'renewed';
  }
  if (response.status !== 401 && response.status !== 403) return 'unreachable';
  forgetLogin();
  tellOfEnd();
  return 'refused';
}

/** One tab at a time, where browsers offer that (on pages that came over https, or from this machine). */
async function exclusively(work: () => Promise<Renewal>): Promise<Renewal> {
  if (navigator.locks === undefined) return await work();
  return await navigator.locks.request(LOCK, work);
}

function scheduleRenewal(): void {
  clearTimeout(timer);
  const hint = readHint();
  if (hint === null) return;
  const dueMs = hint.renewedAtMs + hint.expiresInS * 1000 * RENEWED_AT_SHARE - Date.now();
  timer = setTimeout(
    async () => {
      if ((await renew(hint.renewedAtMs)) === 'unreachable') timer = setTimeout(scheduleRenewal, RETRY_MS);
    },
    Math.max(0, dueMs),
  );
}

function readHint(): Hint | null {
  try {
    return JSON.parse(localStorage.getItem(KEPT_AS) ?? 'null') as Hint | null;
  } catch {
    return null;
  }
}
