import { expect, test } from 'vitest';
import { createLogger } from '../../lib/logging/logger.ts';
import { LEASE_BATCH_LENGTH } from './limits.ts';
import { UploadLeases } from './upload-leases.ts';

const never = new AbortController().signal;

function createLeases(renew: (ids: readonly string[]) => string[]) {
  const renewed: (readonly string[])[] = [];
  const logged: string[] = [];
  const leases = new UploadLeases({
    objects: {
      renew: async (ids, leaseMs) => {
        expect(leaseMs).toBe(9000);
        renewed.push(ids);
        return renew(ids);
      },
    },
    leaseMs: 9000,
    logger: createLogger({ name: 'test', level: 'warn' }, { write: (line) => void logged.push(line) }),
  });
  return { leases, renewed, logged };
}

test('what is held is renewed, what was released is not', async () => {
  const { leases, renewed } = createLeases(() => []);
  await leases.runOnce();
  expect(renewed).toEqual([]);
  const a = leases.hold('a', never);
  const b = leases.hold('b', never);
  await leases.runOnce();
  a.release();
  a.release();
  await leases.runOnce();
  expect(renewed).toEqual([['a', 'b'], ['b']]);
  expect(b.signal.aborted).toBe(false);
});

test('an object that is no longer open aborts its upload', async () => {
  const { leases } = createLeases(() => ['a']);
  const a = leases.hold('a', never);
  const b = leases.hold('b', never);
  await leases.runOnce();
  expect(a.signal.reason).toMatchObject({ code: 'upload_expired' });
  expect(b.signal.aborted).toBe(false);
});

test('the parent signal aborts as well', () => {
  const { leases } = createLeases(() => []);
  const parent = new AbortController();
  const before = leases.hold('a', parent.signal);
  parent.abort(new Error('gone'));
  const after = leases.hold('b', parent.signal);
  expect(before.signal.reason).toEqual(new Error('gone'));
  expect(after.signal.reason).toEqual(new Error('gone'));
});

test('a database that does not answer is no reason to give up', async () => {
  let isAway = true;
  const { leases, renewed, logged } = createLeases(() => {
    if (isAway) throw new Error('no database');
    return [];
  });
  const a = leases.hold('a', never);
  await leases.runOnce();
  expect(a.signal.aborted).toBe(false);
  expect(logged).toHaveLength(1);
  isAway = false;
  await leases.runOnce();
  expect(renewed).toHaveLength(2);
});

test('many uploads are renewed in batches until the signal aborts', async () => {
  const { leases, renewed } = createLeases(() => []);
  for (let index = 0; index < LEASE_BATCH_LENGTH + 1; index++) leases.hold(String(index), never);
  await leases.runOnce();
  expect(renewed.map((ids) => ids.length)).toEqual([LEASE_BATCH_LENGTH, 1]);
  await leases.runOnce(AbortSignal.abort());
  expect(renewed).toHaveLength(2);
});
