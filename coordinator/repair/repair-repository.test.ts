import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { type RangeVerdict, RepairRepository } from './repair-repository.ts';

const RANGES = 4;
const ALL = { limit: 10, intervalMs: 3_600_000, retryMs: 60_000 };

describe.each(ENGINES)('what is known of copies on %s', (engine) => {
  let handle: DatabaseHandle;
  let repository: RepairRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    repository = new RepairRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const table of ['range_checks', 'short_chunks', 'objects'] as const) {
      await handle.kysely.deleteFrom(table).execute();
    }
  });

  const verdict = (range: number, options: Partial<RangeVerdict> = {}): RangeVerdict => ({
    range,
    step: 1,
    chunks: 2,
    bytes: 20,
    missingCopies: 0,
    short: [],
    ...options,
  });
  const checkAll = async () => {
    const { ranges, ...times } = await repository.due(RANGES, ALL);
    await repository.record(
      ranges.map((range) => verdict(range)),
      times,
    );
    return ranges;
  };
  /** What is suspected and checked within one millisecond stays suspected: to be on the safe side. */
  const checkUntilClear = () =>
    expect
      .poll(async () => {
        await repository.forgetTries();
        await checkAll();
        return (await repository.sums(RANGES)).suspected;
      })
      .toBe(0);
  const openObject = async () => {
    const id = randomUUID();
    await handle.kysely
      .insertInto('objects')
      .values({
        ...{ id, state: 'open', size: null, sha256: null },
        lease_expires_at: new Date(Date.now() + 60_000),
      })
      .execute();
    return id;
  };

  test('every range is due once, and then none until something points to it', async () => {
    expect(await checkAll()).toEqual([0, 1, 2, 3]);
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 4, suspected: 0, chunks: 8, bytes: 80 });
    expect((await repository.due(RANGES, ALL)).ranges).toEqual([]);
    await repository.suspect([2], 'a reason');
    expect(await repository.sums(RANGES)).toMatchObject({
      verified: 3,
      suspected: 1,
      suspicions: ['a reason'],
    });
    expect((await repository.due(RANGES, ALL)).ranges).toEqual([2]);
    await checkUntilClear();
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 4, suspicions: [] });
  });

  test('a check does not clear what was suspected after it began', async () => {
    const { ranges, ...times } = await repository.due(RANGES, ALL);
    await repository.suspect([1], 'later');
    await repository.record(
      ranges.map((range) => verdict(range)),
      times,
    );
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 3, suspected: 1 });
  });

  test('a check does not clear what was suspected while an upload ran that still runs', async () => {
    await checkAll();
    const id = await openObject();
    await repository.suspect([3], 'a write did not reach every owner');
    expect(await checkAll()).toEqual([3]);
    // The manifest that would have shown the gap was not there yet.
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 3, suspected: 1 });
    await handle.kysely.deleteFrom('objects').where('id', '=', id).execute();
    await checkUntilClear();
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 4, suspected: 0 });
  });

  test('a check does not clear what was suspected while a record was written that is not there yet', async () => {
    await checkAll();
    const id = await openObject();
    await handle.kysely
      .updateTable('objects')
      .set({ state: 'committed', size: 0, sha256: Buffer.alloc(32), lease_expires_at: null })
      .where('id', '=', id)
      .execute();
    const write = { id: randomUUID(), object_id: id, lease_expires_at: new Date(Date.now() + 60_000) };
    await handle.kysely.insertInto('record_writes').values(write).execute();
    await repository.suspect([3], 'a write did not reach every owner');
    expect(await checkAll()).toEqual([3]);
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 3, suspected: 1 });
    await handle.kysely.deleteFrom('record_writes').execute();
    await checkUntilClear();
  });

  test('what could not be checked waits, and stays suspected', async () => {
    await checkAll();
    await repository.postpone([0], 'an owner is down');
    expect((await repository.due(RANGES, ALL)).ranges).toEqual([]);
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 3, suspected: 1 });
    await repository.forgetTries();
    expect((await repository.due(RANGES, ALL)).ranges).toEqual([0]);
  });

  test('short chunks are listed, the rarest first, until a check finds them whole', async () => {
    const chunk = (id: string, copies: number) => ({
      ...{ id, position: 1, length: 10, checksum: 0xffff_ffff },
      ...{ copies, problem: 'no node has a copy' },
    });
    const { ranges, ...times } = await repository.due(RANGES, ALL);
    const short = [chunk('chunk-two', 2), chunk('chunk-none', 0), chunk('chunk-one', 1)];
    await repository.record(
      ranges.map((range) => verdict(range, range === 1 ? { short, missingCopies: 6 } : {})),
      times,
    );
    expect(await repository.sums(RANGES)).toMatchObject({
      short: 1,
      missingCopies: 6,
      shortChunks: 3,
      lostChunks: 1,
    });
    const first = await repository.listShort({ after: null, limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(['chunk-none', 'chunk-one']);
    const rest = await repository.listShort({ after: first[1]!, limit: 2 });
    expect(rest).toMatchObject([{ id: 'chunk-two', copies: 2, checksum: 0xffff_ffff }]);
    await repository.suspectAll(RANGES, 'again');
    await checkUntilClear();
    expect(await repository.listShort({ after: null, limit: 9 })).toEqual([]);
    expect(await repository.sums(RANGES)).toMatchObject({ verified: 4, missingCopies: 0 });
  });
});
