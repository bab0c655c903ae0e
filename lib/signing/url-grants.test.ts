import { describe, expect, it } from 'vitest';
import { deriveKey } from './signed-url.ts';
import {
  type GrantTarget,
  type GrantVerdict,
  judgeGrant,
  type KeyLookup,
  keyIdOf,
  openGrant,
  signGrant,
  type UrlGrant,
} from './url-grants.ts';

const key = deriveKey('a secret of the cluster', 'url-grants:one');
const keyOf = (id: string) => (id === 'one' ? key : undefined);
const grant: UrlGrant = { scope: 'playback', prefix: '/api/v1/videos/a', expiresAtS: 1000 };
const value = signGrant(key, 'one', grant);
const ask = (path: string, scope = 'playback', nowS = 999) =>
  verifyGrant(keyOf, value, { scope, path, nowS });

/** The two questions one after the other. */
function verifyGrant(lookUp: KeyLookup, given: string, target: GrantTarget): GrantVerdict {
  const opened = openGrant(lookUp, given);
  return opened.ok ? judgeGrant(opened.grant, target) : opened;
}

describe('a grant', () => {
  it('names the key that it was signed with', () => {
    expect(['one.x.y', value, 'x', ''].map(keyIdOf)).toEqual(['one', 'one', '', '']);
  });

  it('opens its path and everything below until it expires', () => {
    for (const path of ['/api/v1/videos/a', '/api/v1/videos/a/content', '/api/v1/videos/a/hls/1/2.ts']) {
      expect(ask(path), path).toEqual({ ok: true, grant });
    }
    expect(ask('/api/v1/videos/a', 'playback', 1000)).toEqual({ ok: false, reason: 'expired' });
  });

  it('opens nothing beside its path, and nothing that may be read as another path', () => {
    const others = [
      '/api/v1/videos/b',
      '/api/v1/videos/ab',
      '/api/v1/videos',
      '/',
      '',
      '/api/v1/videos/a/../b',
      '/api/v1/videos/a/./x',
      '/api/v1/videos/a/%2e%2e/b',
      '/api/v1/videos/a//b',
      '/api/v1/videos/a/..',
      '/api/v1/videos/a\\..\\b',
    ];
    for (const path of others) expect(ask(path), path).toEqual({ ok: false, reason: 'other_path' });
  });

  it('serves one purpose', () => {
    expect(ask('/api/v1/videos/a', 'upload')).toEqual({ ok: false, reason: 'other_scope' });
  });

  it('says on whose behalf it was given', () => {
    const issued = { ...grant, issuer: { userId: 'u', generation: 3 } };
    const verdict = verifyGrant(keyOf, signGrant(key, 'one', issued), {
      scope: 'playback',
      path: grant.prefix,
      nowS: 1,
    });
    expect(verdict).toEqual({ ok: true, grant: issued });
  });

  it('is void when any character of it is another', () => {
    for (let index = 0; index < value.length; index++) {
      const other = value[index] === 'A' ? 'B' : 'A';
      const altered = value.slice(0, index) + other + value.slice(index + 1);
      const verdict = verifyGrant(keyOf, altered, { scope: 'playback', path: grant.prefix, nowS: 1 });
      // The last character of 43 carries two bits that mean nothing.
      const bits = (text: string) => Buffer.from(text.slice(-43), 'base64url').toString('hex');
      if (index === value.length - 1 && bits(altered) === bits(value)) continue;
      expect(verdict.ok, `character ${index}`).toBe(false);
    }
    for (const text of ['', 'x', `${value}x`, value.slice(1), '..', `one.${'A'.repeat(5000)}.x`]) {
      expect(verifyGrant(keyOf, text, { scope: 'playback', path: grant.prefix, nowS: 1 }).ok).toBe(false);
    }
  });

  it('is void without its key, and good with any key that is known', () => {
    const next = deriveKey('a secret of the cluster', 'url-grants:two');
    const keys = new Map([['two', next]]);
    const asked = { scope: 'playback', path: grant.prefix, nowS: 1 };
    expect(verifyGrant((id) => keys.get(id), value, asked)).toEqual({ ok: false, reason: 'altered' });
    keys.set('one', key);
    expect(verifyGrant((id) => keys.get(id), value, asked).ok).toBe(true);
    keys.set('one', next);
    expect(verifyGrant((id) => keys.get(id), value, asked)).toEqual({ ok: false, reason: 'altered' });
  });
});
