import { randomBytes } from 'node:crypto';
import { hash as hashWith } from '@node-rs/argon2';
import { expect, test } from 'vitest';
import { AccountService, type AccountServiceOptions } from './account-service.ts';
import { HASHES_AT_ONCE } from './limits.ts';
import { assertStrong } from './password-rules.ts';
import { Passwords } from './passwords.ts';
import { NOBODY } from './principal.ts';

test('hashes are argon2id with the parameters that OWASP names, and salted', async () => {
  const passwords = await Passwords.open(randomBytes);
  const hashed = await passwords.hash('vivid-otter-stapler');
  expect(hashed).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await passwords.hash('vivid-otter-stapler')).not.toBe(hashed);
  expect(await passwords.verify('vivid-otter-stapler', hashed)).toBe(true);
  expect(await passwords.verify('vivid-otter-staplex', hashed)).toBe(false);
  expect(await passwords.verify('vivid-otter-stapler', null)).toBe(false);
  expect(passwords.isOutdated(hashed)).toBe(false);
  expect(passwords.isOutdated(await hashWith('x', { memoryCost: 8192, timeCost: 1, parallelism: 1 }))).toBe(
    true,
  );
});

test('so many at a time wait, and one more is refused; without an account it is the same work', async () => {
  const passwords = await Passwords.open(randomBytes, 1);
  const running = Array.from({ length: HASHES_AT_ONCE + 1 }, () => passwords.verify('x', null));
  await expect(passwords.verify('x', null)).rejects.toMatchObject({ code: 'too_busy', retryable: true });
  await expect(passwords.hash('x')).rejects.toMatchObject({ code: 'too_busy' });
  expect(await Promise.all(running)).toEqual([false, false, false]);
  expect(await passwords.verify('x', await passwords.hash('x'))).toBe(true);
});

test('a login to an unknown account hashes as often as one with a wrong password', async () => {
  const asked: (string | null)[] = [];
  const user = { id: 'u', email: 'a@b', disabled: false };
  const service = new AccountService({
    users: {
      findByEmail: async (email: string) => (email === 'a@b' ? { user, passwordHash: 'hash' } : null),
    },
    passwords: {
      verify: async (_: string, hashed: string | null) => {
        asked.push(hashed);
        return false;
      },
    },
    limits: { count: async () => {} },
    audit: { record: async () => {} },
  } as unknown as AccountServiceOptions);
  const origin = { principal: NOBODY, address: null, requestId: null };
  for (const email of ['a@b', 'x@y']) {
    await expect(service.login({ email, password: 'p' }, origin)).rejects.toMatchObject({
      code: 'login_failed',
    });
  }
  expect(asked).toEqual(['hash', null]);
});

test.each([
  'vivid-otter-stapler',
  'Tr0ub4dor&3x',
  'sommernachtstraum',
  '8f3k-29dk-a1',
  'пароль-и-кот-лодка',
  '愛愛猫犬鳥魚虫',
])('%s is a password', (password) => {
  expect(() => assertStrong(password, 'ada@example.org')).not.toThrow();
});
