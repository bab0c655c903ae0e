import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { addressOf, networkOf } from './client-address.ts';
import { RateLimits } from './rate-limits.ts';

describe.each(ENGINES)('limits on %s', (engine) => {
  let handle: DatabaseHandle;
  let nowMs = 0;
  const open = () => new RateLimits(handle.kysely, { ...systemClock, monotonicMs: () => nowMs });
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  const limit = (key: string, max = 3) => ({ key, max, windowMs: 60_000 });
  const tooMany = { code: 'too_many_requests' };

  test('so many attempts pass, whoever counts them and however many come at once', async () => {
    const [one, two] = [open(), open()];
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => [one, two][index % 2]!.count([limit('a', 5), limit('b', 50)])),
    );
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    const error = await one.count([limit('a', 5)]).catch((caught) => caught);
    expect(Number(error.details.headers['retry-after'])).toBeGreaterThan(0);
    await one.count([limit('b', 50)]);
  });

  test('an exhausted limit costs no statement until its window ends', async () => {
    const limits = open();
    for (let count = 0; count < 3; count++) await limits.count([limit('c')]);
    await expect(limits.count([limit('c')])).rejects.toMatchObject(tooMany);
    await handle.kysely.deleteFrom('rate_limits').where('key', '=', 'c').execute();
    await expect(limits.count([limit('c')])).rejects.toMatchObject(tooMany);
    nowMs += 60_001;
    await limits.count([limit('c')]);
  });

  test('a window that is over counts from one again, and what is forgiven from nothing', async () => {
    const limits = open();
    for (let count = 0; count < 3; count++) await limits.count([limit('d')]);
    await handle.kysely
      .updateTable('rate_limits')
      .set({ expires_at: sql<Date>`now() - interval '1 second'` })
      .where('key', '=', 'd')
      .execute();
    for (let count = 0; count < 3; count++) await limits.count([limit('d')]);
    await limits.forgive(['d']);
    for (let count = 0; count < 3; count++) await limits.count([limit('d')]);
    await expect(limits.count([limit('d')])).rejects.toMatchObject(tooMany);
  });
});

test('an address is the one that the trusted proxies saw, and no other', () => {
  expect(addressOf('10.0.0.1', '1.2.3.4', 0)).toBe('10.0.0.1');
  expect(addressOf('10.0.0.1', '6.6.6.6, 1.2.3.4', 1)).toBe('1.2.3.4');
  expect(addressOf('10.0.0.1', '6.6.6.6, 1.2.3.4, 10.0.0.2', 2)).toBe('1.2.3.4');
  expect(addressOf('10.0.0.1', 'nonsense', 1)).toBe('10.0.0.1');
  expect(addressOf('10.0.0.1', undefined, 1)).toBe('10.0.0.1');
  expect(addressOf('::ffff:10.0.0.1', undefined, 0)).toBe('10.0.0.1');
  expect(addressOf(undefined, undefined, 0)).toBeNull();
});

test('limits count a network of IPv6 addresses as one', () => {
  expect(networkOf('10.0.0.1')).toBe('10.0.0.1');
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:DB8:1:2::7')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:db8::7')).toBe('2001:db8:0:0::/64');
  expect(networkOf('::1')).toBe('0:0:0:0::/64');
  expect(networkOf(null)).toBe('unknown');
});
