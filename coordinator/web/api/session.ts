import { computed, signal } from '@preact/signals';
import { ask } from './client.ts';
import { Problem } from './problem.ts';
import { forgetLogin, hasLogin, keepRenewing, onLoginOver, onOtherTab, rememberLogin } from './renewal.ts';
import type { LoginAnswer, Me, Usage, User } from './types.ts';

/** Who uses the page: undefined as long as that is not known, null for nobody. */
export const me = signal<Me | null | undefined>(undefined);

export const user = computed<User | null>(() => me.value?.user ?? null);
export const usage = computed<Usage | null>(() => me.value?.usage ?? null);
export const isAdmin = computed(() => me.value?.role === 'admin');
export const mayUpload = computed(() => me.value?.role === 'admin' || me.value?.role === 'uploader');

/** Finds out who uses the page, and keeps the login alive. */
export async function startSession(): Promise<void> {
  onOtherTab(() => void refreshMe());
  onLoginOver(() => {
    me.value = null;
  });
  keepRenewing();
  await refreshMe();
}

/** Asks again who this is: after a change of the account, or when it is to be seen how much is stored. */
export async function refreshMe(): Promise<void> {
  if (!hasLogin()) {
    me.value = null;
    return;
  }
  try {
    me.value = await ask<Me>('GET', '/auth/me');
  } catch (error) {
    const isOver = error instanceof Problem && (error.status === 401 || error.status === 403);
    if (isOver) forgetLogin();
    // Nobody answers: who it was is still the best guess.
    me.value = isOver ? null : (me.value ?? null);
  }
}

export async function signIn(email: string, password: string): Promise<void> {
  const answer = await ask<LoginAnswer>('POST', '/auth/login', {
    json: { email, password, session: 'cookie' },
  });
  rememberLogin(answer.expiresIn);
  await refreshMe();
}

export async function register(fields: { email: string; password: string; name?: string }): Promise<void> {
  await ask('POST', '/auth/register', { json: fields });
  await signIn(fields.email, fields.password);
}

export async function signOut(everywhere = false): Promise<void> {
  try {
    await ask('POST', '/auth/logout', { json: { everywhere } });
  } finally {
    forgetLogin();
    me.value = null;
  }
}
