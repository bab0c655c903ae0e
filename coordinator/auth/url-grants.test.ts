import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { OPENED_GRANTS_MAX } from './limits.ts';
import { GUEST, OPERATOR, type Principal, type UserPrincipal } from './principal.ts';
import { UrlGrants } from './url-grants.ts';

const OWNER: UserPrincipal = {
  ...{ kind: 'user', userId: 'u', role: 'uploader', sessionId: 's', scopes: null, generation: 1 },
};

function grantsOf() {
  const state = { nowMs: 1_000_000, keys: new Set(['k']), revoked: new Set<string>() };
  const grants = new UrlGrants({
    secret: 'a secret of the tests',
    keys: { signer: () => ({ id: 'k' }) as never, has: (id) => state.keys.has(id) },
    revocations: { isRevoked: ({ userId }) => state.revoked.has(userId) },
    clock: { ...systemClock, nowMs: () => state.nowMs },
  });
  const issue = (video: string, issuer: Principal, lifetimeS = 60) => {
    const prefix = `/api/v1/videos/${video}`;
    return grants.issue({ scope: 'playback', path: `${prefix}/content`, prefix, lifetimeS, issuer });
  };
  const opens = (target: string) => {
    try {
      return grants.admit('playback', target) === GUEST;
    } catch {
      return false;
    }
  };
  return { state, grants, issue, opens };
}

test('a grant that was good once is asked everything else each time', () => {
  const { state, issue, opens } = grantsOf();
  const { grant } = issue('a', OWNER);
  const segment = `/api/v1/playback/${grant}/a/hls/1.m4s`;
  expect([opens(segment), opens(segment)]).toEqual([true, true]);
  expect(opens(`/api/v1/playback/${grant}/b/hls/1.m4s`)).toBe(false);
  expect(opens(`/api/v1/videos/b/content?x-grant=${grant}`)).toBe(false);
  state.revoked.add('u');
  expect(opens(segment)).toBe(false);
  state.revoked.clear();
  state.keys.clear();
  expect(opens(segment)).toBe(false);
  state.keys.add('k');
  expect(opens(segment)).toBe(true);
  state.nowMs += 60_000;
  expect(opens(segment)).toBe(false);
});

test('forgets rather than grows', () => {
  const { grants, issue, opens } = grantsOf();
  const targets = Array.from(
    { length: OPENED_GRANTS_MAX + 10 },
    (_, index) => issue(`v${index}`, OPERATOR).url,
  );
  expect(targets.slice(0, OPENED_GRANTS_MAX).every(opens)).toBe(true);
  expect(grants.remembered).toBe(OPENED_GRANTS_MAX);
  expect(targets.slice(OPENED_GRANTS_MAX).every(opens)).toBe(true);
  expect(grants.remembered).toBeLessThanOrEqual(OPENED_GRANTS_MAX);
  expect(opens(targets[0]!)).toBe(true);
});

test('says nothing of targets that carry no grant', () => {
  const { grants } = grantsOf();
  for (const target of ['/api/v1/videos/a/content', '/api/v1/playback/x', '/api/v1/videos/a?other=x-grant='])
    expect(grants.admit('playback', target)).toBeUndefined();
});
