import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type AdminTokenStore, createAdminToken, ensureAdminToken, isAdminToken } from './admin-token.ts';

class MemoryStore implements AdminTokenStore {
  hash: Uint8Array | null = null;
  async read() {
    return this.hash;
  }
  async keepFirst(hash: Uint8Array) {
    this.hash ??= hash;
    return this.hash;
  }
  async replace(hash: Uint8Array) {
    this.hash = hash;
  }
}

describe('ensureAdminToken', () => {
  test('makes a token once and keeps only its hash', async () => {
    const store = new MemoryStore();
    const first = await ensureAdminToken(store, randomBytes);
    expect(first.created).toMatch(/^orbitvids_[\w-]{43}$/);
    expect(isAdminToken(first.created!, first.hash)).toBe(true);
    expect(Buffer.from(store.hash!).toString('latin1')).not.toContain(first.created!);
    const second = await ensureAdminToken(store, randomBytes);
    expect(second).toEqual({ hash: first.hash });
  });

  test('a given token takes the place of any other', async () => {
    const store = new MemoryStore();
    const made = await ensureAdminToken(store, randomBytes);
    const { hash, created } = await ensureAdminToken(store, randomBytes, 'a token of my own');
    expect(created).toBeUndefined();
    expect(isAdminToken('a token of my own', hash)).toBe(true);
    expect(isAdminToken(made.created!, hash)).toBe(false);
    expect((await ensureAdminToken(store, randomBytes)).hash).toEqual(hash);
  });

  test('those who start at the same time agree, and one of them shows the token', async () => {
    const store = new MemoryStore();
    const started = await Promise.all(Array.from({ length: 5 }, () => ensureAdminToken(store, randomBytes)));
    const shown = started.filter(({ created }) => created !== undefined);
    expect(shown).toHaveLength(1);
    for (const { hash } of started) expect(isAdminToken(shown[0]!.created!, hash)).toBe(true);
  });

  test('the token is what the random source says', () => {
    expect(createAdminToken((count) => new Uint8Array(count))).toBe(`orbitvids_${'A'.repeat(43)}`);
  });
});
