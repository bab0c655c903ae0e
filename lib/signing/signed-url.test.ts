import { describe, expect, it } from 'vitest';
import { deriveKey, signTarget, verifyTarget } from './signed-url.ts';

const key = deriveKey('a secret of the cluster', 'storage-node');
const signed = signTarget(key, {
  method: 'GET',
  target: '/chunks/1?x=2',
  expiresAtS: 1000,
  claims: { part: 3 },
});

describe('a signed target', () => {
  it('passes with its method, path, query and claims until it expires', () => {
    expect(verifyTarget([key], 'GET', signed, 1000)).toEqual({
      ok: true,
      expiresAtS: 1000,
      target: '/chunks/1?x=2',
      claims: { part: 3 },
    });
    expect(verifyTarget([key], 'GET', signed, 1001)).toEqual({ ok: false, reason: 'expired' });
  });

  it('passes with any of several keys, so that keys can be exchanged', () => {
    const next = deriveKey('another secret altogether', 'storage-node');
    expect(verifyTarget([next, key], 'GET', signed, 1).ok).toBe(true);
    expect(verifyTarget([next], 'GET', signed, 1)).toEqual({ ok: false, reason: 'altered' });
    expect(verifyTarget([deriveKey('a secret of the cluster', 'else')], 'GET', signed, 1).ok).toBe(false);
  });

  it.each([
    ['method', 'PUT', signed],
    ['path', 'GET', signed.replace('/chunks/1', '/chunks/2')],
    ['query', 'GET', signed.replace('x=2', 'x=3')],
    ['expiry', 'GET', signed.replace('x-expires=1000', 'x-expires=9000')],
    ['claims', 'GET', signed.replace(/x-claims=./, 'x-claims=A')],
    ['signature', 'GET', signed.replace(/x-signature=./, 'x-signature=_')],
  ])('does not pass with another %s', (_part, method, target) => {
    expect(verifyTarget([key], method, target, 1)).toEqual({ ok: false, reason: 'altered' });
  });

  it('is told apart from none and from half of one', () => {
    expect(verifyTarget([key], 'GET', '/chunks/1', 1)).toEqual({ ok: false, reason: 'missing' });
    expect(verifyTarget([key], 'GET', '/chunks/1?x-signature=abc', 1)).toEqual({
      ok: false,
      reason: 'malformed',
    });
  });
});
