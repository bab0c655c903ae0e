import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from './database.ts';
import { Leases } from './leases.ts';
import { ENGINES, openTestDatabase } from './test-support/engines.ts';

const HOUR_MS = 3_600_000;

describe.each(ENGINES)('leases on %s', (engine) => {
  let handle: DatabaseHandle;
  let first: Leases;
  let second: Leases;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    first = new Leases(handle.kysely, 'first');
    second = new Leases(handle.kysely, 'second');
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  const letRunOut = (name: string) =>
    handle.kysely
      .updateTable('leases')
      .set({ expires_at: sql<Date>`now() - interval '1 second'` })
      .where('name', '=', name)
      .execute();

  test('one holder at a time has a lease, and may take it again', async () => {
    const name = randomUUID();
    expect(await first.acquire(name, HOUR_MS)).toBe(true);
    expect(await second.acquire(name, HOUR_MS)).toBe(false);
    expect(await first.acquire(name, HOUR_MS)).toBe(true);
    expect(await second.acquire(randomUUID(), HOUR_MS)).toBe(true);
  });

  test('of many that ask at the same time one gets it', async () => {
    const name = randomUUID();
    const holders = Array.from({ length: 8 }, (_, index) => new Leases(handle.kysely, `holder-${index}`));
    const answers = await Promise.all(holders.map((holder) => holder.acquire(name, HOUR_MS)));
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  test('a lease that ran out goes to whoever asks, and its late holder cannot renew it', async () => {
    const name = randomUUID();
    await first.acquire(name, HOUR_MS);
    await letRunOut(name);
    expect(await first.renew(name, HOUR_MS)).toBe(false);
    expect(await second.acquire(name, HOUR_MS)).toBe(true);
    expect(await first.acquire(name, HOUR_MS)).toBe(false);
    expect(await second.renew(name, HOUR_MS)).toBe(true);
  });

  test('a lease lasts as long as it was asked for', async () => {
    const name = randomUUID();
    await first.acquire(name, 1);
    await expect.poll(() => second.acquire(name, HOUR_MS)).toBe(true);
  });

  test('a released lease is free at once; only its holder can release it', async () => {
    const name = randomUUID();
    await first.acquire(name, HOUR_MS);
    await second.release(name);
    expect(await second.acquire(name, HOUR_MS)).toBe(false);
    await first.release(name);
    expect(await second.acquire(name, HOUR_MS)).toBe(true);
  });
});
