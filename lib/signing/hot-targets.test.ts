import { expect, it } from 'vitest';
import { HotTargetSigner, HotTargetVerifier } from './hot-targets.ts';
import { deriveKey, signTarget, verifyTarget } from './signed-url.ts';

const KEY = deriveKey('a secret of the tests', 'tests');
const NOW_S = 1_700_000_000;

it('signs for at most the lifetime and at least a minute less, whenever it is asked', () => {
  const signer = new HotTargetSigner(KEY, 300);
  for (let nowS = NOW_S; nowS < NOW_S + 200; nowS += 7) {
    const signed = signer.sign('GET', '/chunks/a', nowS);
    expect(verifyTarget([KEY], 'GET', signed, nowS + 240).ok).toBe(true);
    expect(verifyTarget([KEY], 'GET', signed, nowS + 301)).toEqual({ ok: false, reason: 'expired' });
  }
});

it('signs methods and targets apart, also beyond what it remembers', () => {
  const signer = new HotTargetSigner(KEY, 300);
  for (let index = 0; index < 5000; index++) {
    const signed = signer.sign('GET', `/chunks/${index}`, NOW_S);
    expect(verifyTarget([KEY], 'GET', signed, NOW_S).ok).toBe(true);
  }
  const get = signer.sign('GET', '/chunks/1', NOW_S);
  expect(signer.sign('HEAD', '/chunks/1', NOW_S)).not.toBe(get);
  expect(signer.sign('GET', '/chunks/1', NOW_S)).toBe(get);
});

it('accepts what is signed until it expires, and nothing else, however often it is asked', () => {
  const verifier = new HotTargetVerifier([KEY]);
  const signed = signTarget(KEY, { method: 'GET', target: '/chunks/a', expiresAtS: NOW_S });
  for (let time = 0; time < 2; time++) {
    expect(verifier.verify('GET', signed, NOW_S)).toMatchObject({ ok: true, target: '/chunks/a' });
    expect(verifier.verify('HEAD', signed, NOW_S)).toEqual({ ok: false, reason: 'altered' });
    expect(verifier.verify('GET', signed.replace('/a', '/b'), NOW_S)).toEqual({
      ok: false,
      reason: 'altered',
    });
    expect(verifier.verify('GET', '/chunks/a', NOW_S)).toEqual({ ok: false, reason: 'missing' });
    expect(verifier.verify('GET', signed, NOW_S + 1)).toEqual({ ok: false, reason: 'expired' });
  }
});

it('forgets rather than grows', () => {
  const verifier = new HotTargetVerifier([KEY]);
  for (let index = 0; index < 5000; index++) {
    const signed = signTarget(KEY, { method: 'GET', target: `/chunks/${index}`, expiresAtS: NOW_S });
    expect(verifier.verify('GET', signed, NOW_S).ok).toBe(true);
  }
});
