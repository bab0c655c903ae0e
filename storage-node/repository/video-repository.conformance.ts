import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import { EMPTY_REPOSITORY_BYTES, storedBytes } from './capacity.ts';
import type { ChunkReading, ScrubStep, VideoRepository } from './video-repository.ts';

export interface RepositoryHarness {
  readonly repository: VideoRepository;
  /** Flips a bit of a chunk's stored bytes, behind the repository's back. The chunk is longer than inline ones. */
  damage(position: number, id: string, offset: number): Promise<void>;
}

const BLOCK = 64 * 1024;
const SMALL = 1000;
const LARGE = 3 * BLOCK + 17;

/** What every VideoRepository must do. `open` cleans up after the test by itself. */
export function describeVideoRepository(
  name: string,
  open: (options: { capacityBytes: number }) => Promise<RepositoryHarness>,
): void {
  const openRoomy = () => open({ capacityBytes: 256 * 1024 * 1024 });

  describe(name, () => {
    it.each([1, SMALL, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 4096 * 5, BLOCK, LARGE, 2_500_001])(
      'gives back the %i bytes it was given',
      async (length) => {
        const { repository } = await openRoomy();
        const bytes = bytesOf(length, length);
        expect(await repository.put({ position: 9, id: idOf(1), bytes })).toBe('created');
        const reading = await opened(repository, 9, idOf(1));
        expect(reading.entry).toMatchObject({
          position: 9,
          id: idOf(1),
          length,
          checksum: checksumOf(bytes),
        });
        expect((await read(reading)).equals(bytes)).toBe(true);
      },
    );

    it('serves any part of a chunk, wherever it begins and ends', async () => {
      const { repository } = await openRoomy();
      const bytes = bytesOf(5, 2_300_000);
      await repository.put({ position: 0xffff_ffff, id: idOf(1), bytes });
      const reading = await opened(repository, 0xffff_ffff, idOf(1));
      const borders = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 1_048_575, 1_048_576, 1_100_000, 2_299_999];
      for (const first of borders) {
        for (const last of borders.filter((border) => border >= first)) {
          const part = await read(reading, first, last);
          expect(part.equals(bytes.subarray(first, last + 1)), `${first}-${last}`).toBe(true);
        }
      }
      const small = bytesOf(6, SMALL);
      await repository.put({ position: 0, id: idOf(2), bytes: small });
      expect(await read(await opened(repository, 0, idOf(2)), 10, 10)).toEqual(small.subarray(10, 11));
    });

    it('does not keep the memory it was given', async () => {
      const { repository } = await openRoomy();
      for (const length of [SMALL, LARGE]) {
        const bytes = bytesOf(1, length);
        const kept = Buffer.from(bytes);
        await repository.put({ position: length, id: idOf(1), bytes });
        bytes.fill(0);
        expect((await read(await opened(repository, length, idOf(1)))).equals(kept)).toBe(true);
      }
    });

    it('tells the same chunk from another one with its id', async () => {
      const { repository } = await openRoomy();
      for (const length of [SMALL, LARGE]) {
        const chunk = { position: length, id: idOf(1), bytes: bytesOf(1, length) };
        expect(await repository.put(chunk)).toBe('created');
        expect(await repository.put(chunk)).toBe('exists');
        const other = { ...chunk, bytes: bytesOf(2, length) };
        await expect(repository.put(other)).rejects.toMatchObject({ code: 'chunk_conflict' });
        const longer = { ...chunk, bytes: bytesOf(1, length + 1) };
        await expect(repository.put(longer)).rejects.toMatchObject({ code: 'chunk_conflict' });
        expect((await read(await opened(repository, length, idOf(1)))).equals(chunk.bytes)).toBe(true);
      }
      // The same id at another position is another chunk.
      expect(await repository.put({ position: 1, id: idOf(1), bytes: bytesOf(3, 10) })).toBe('created');
      expect(repository.stats().chunkCount).toBe(3);
    });

    it('refuses bytes that are not those announced, and stores nothing', async () => {
      const { repository } = await openRoomy();
      const before = repository.stats();
      for (const length of [SMALL, LARGE]) {
        const chunk = { position: 4, id: idOf(1), bytes: bytesOf(1, length), checksum: 12345 };
        await expect(repository.put(chunk)).rejects.toMatchObject({ code: 'checksum_mismatch' });
      }
      expect(await repository.stat(4, idOf(1))).toBeUndefined();
      expect(repository.stats()).toEqual(before);
    });

    it('stores one of many concurrent puts of a chunk', async () => {
      const { repository } = await openRoomy();
      for (const length of [SMALL, LARGE]) {
        const bytes = bytesOf(1, length);
        const results = await Promise.all(
          Array.from({ length: 8 }, () => repository.put({ position: length, id: idOf(1), bytes })),
        );
        expect(results.toSorted()).toEqual(['created', ...Array(7).fill('exists')]);
        const chunk = { position: length, id: idOf(2) };
        const mixed = await Promise.allSettled(
          [1, 2, 1, 2].map((seed) => repository.put({ ...chunk, bytes: bytesOf(seed, length) })),
        );
        expect(mixed.map((result) => (result.status === 'fulfilled' ? result.value : 'refused'))).toEqual([
          'created',
          'refused',
          'exists',
          'refused',
        ]);
      }
      expect(repository.stats().chunkCount).toBe(4);
    });

    it('deletes, and forgets what it deleted', async () => {
      const { repository } = await openRoomy();
      const before = repository.stats();
      for (const length of [SMALL, LARGE]) {
        await repository.put({ position: 2, id: idOf(length), bytes: bytesOf(1, length) });
        const unlikely = () => repository.stat(2, idOf(length), { isUnlikely: true });
        expect(await unlikely()).toEqual(await repository.stat(2, idOf(length)));
        expect(await unlikely()).toMatchObject({ length });
        expect(await repository.delete(2, idOf(length))).toBe(true);
        expect(await repository.delete(2, idOf(length))).toBe(false);
        expect(await repository.stat(2, idOf(length))).toBeUndefined();
        expect(await unlikely()).toBeUndefined();
        expect(await repository.open(2, idOf(length))).toBeUndefined();
        // Also with other bytes: nothing of the old chunk may come back.
        const bytes = bytesOf(2, length);
        expect(await repository.put({ position: 2, id: idOf(length), bytes })).toBe('created');
        expect((await read(await opened(repository, 2, idOf(length)))).equals(bytes)).toBe(true);
        await repository.delete(2, idOf(length));
      }
      expect(repository.stats()).toEqual(before);
    });

    it('finishes or refuses a reading whose chunk is deleted, without a wrong byte', async () => {
      const { repository } = await openRoomy();
      const bytes = bytesOf(1, 2_500_000);
      await repository.put({ position: 2, id: idOf(1), bytes });
      const reading = await opened(repository, 2, idOf(1));
      const pieces: Buffer[] = [];
      const sending = reading.send(0, bytes.length - 1, async (piece) => {
        if (pieces.length === 0) await repository.delete(2, idOf(1));
        pieces.push(Buffer.from(piece));
      });
      await sending;
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);

      const late = await opened(repository, 2, idOf(1)).catch(() => undefined);
      expect(late).toBeUndefined();
      expect(repository.stats().quarantinedCount).toBe(0);
    });

    it('hands the error of a sink on as it is', async () => {
      const { repository } = await openRoomy();
      await repository.put({ position: 2, id: idOf(1), bytes: bytesOf(1, LARGE) });
      const reading = await opened(repository, 2, idOf(1));
      const error = new Error('the sink is full');
      await expect(reading.send(0, 9, () => Promise.reject(error))).rejects.toBe(error);
      expect((await read(reading)).length).toBe(LARGE);
    });

    it('lists a range in order of position, then id, page by page', async () => {
      const { repository } = await openRoomy();
      const positions = [0, 1, 1, 1, 255, 256, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
      const chunks = positions.map((position, index) => ({
        position,
        id: idOf(100 - index),
        bytes: bytesOf(index, 9),
      }));
      await Promise.all(chunks.map((chunk) => repository.put(chunk)));
      const key = (chunk: { position: number; id: string }) =>
        `${formatPosition(chunk.position)}-${chunk.id}`;
      const expected = chunks.map(key).sort();

      for (const limit of [1, 3, 10, 1000]) {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await repository.list(0, 0xffff_ffff, { after, limit });
          expect(page.entries.length).toBeLessThanOrEqual(limit);
          seen.push(...page.entries.map(key));
          after = page.next ?? undefined;
        } while (after !== undefined);
        expect(seen, `limit ${limit}`).toEqual(expected);
      }

      const within = async (first: number, last: number) =>
        (await repository.list(first, last, { limit: 100 })).entries.map(({ position }) => position);
      expect(await within(1, 255)).toEqual([1, 1, 1, 255]);
      expect(await within(256, 0x8000_0000)).toEqual([256, 0x7fff_ffff, 0x8000_0000]);
      expect(await within(0xffff_ffff, 0xffff_ffff)).toEqual([0xffff_ffff]);
      expect(await within(2, 254)).toEqual([]);
      const behind = await repository.list(256, 0xffff_ffff, { after: expected[0]!, limit: 1 });
      expect(behind.entries.map(({ position }) => position)).toEqual([256]);
      const [entry] = (await repository.list(0, 0, { limit: 1 })).entries;
      expect(entry).toEqual(await repository.stat(0, idOf(100)));
      await expect(repository.list(0, 1, { after: '../etc', limit: 1 })).rejects.toMatchObject({
        code: 'invalid_request',
      });
    });

    it('digests what a range holds, and nothing else', async () => {
      const { repository } = await openRoomy();
      const lines: string[] = [];
      for (const position of [5, 7, 900]) {
        const bytes = bytesOf(position, 100 + position);
        await repository.put({ position, id: idOf(position), bytes });
        lines.push(
          `${formatPosition(position)} ${idOf(position)} ${bytes.length} ${formatChecksum(checksumOf(bytes))}\n`,
        );
      }
      const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
      expect(await repository.digest(0, 1000)).toEqual({
        count: 3,
        bytes: 1212,
        digest: sha256(lines.join('')),
      });
      expect(await repository.digest(6, 899)).toEqual({ count: 1, bytes: 107, digest: sha256(lines[1]!) });
      expect(await repository.digest(8, 9)).toEqual({ count: 0, bytes: 0, digest: sha256('') });
    });

    it('drops a range, with everything in it and nothing beside it', async () => {
      const { repository } = await openRoomy();
      const empty = repository.stats();
      for (let position = 0; position < 250; position++) {
        await repository.put({ position, id: idOf(position), bytes: bytesOf(position, 10) });
      }
      await repository.put({ position: 100, id: idOf(1000), bytes: bytesOf(1, LARGE) });
      expect(await repository.drop(10, 239)).toEqual({ deleted: 231, bytes: 2300 + LARGE });
      expect(await repository.drop(10, 239)).toEqual({ deleted: 0, bytes: 0 });
      const left = (await repository.list(0, 0xffff_ffff, { limit: 1000 })).entries;
      expect(left.map(({ position }) => position)).toEqual(
        [...Array(10).keys(), ...Array(10).keys()].map((n, i) => (i < 10 ? n : 240 + n)),
      );
      await repository.drop(0, 0xffff_ffff);
      expect(repository.stats()).toEqual(empty);
    });

    it('drops what a digest stands for, or nothing', async () => {
      const { repository } = await openRoomy();
      for (let position = 0; position < 250; position++) {
        await repository.put({ position, id: idOf(position), bytes: bytesOf(position, 10) });
      }
      await repository.put({ position: 100, id: idOf(1000), bytes: bytesOf(1, LARGE) });
      const { digest } = await repository.digest(10, 239);
      // One chunk more, one less, one with other bytes: it is not the range of that digest.
      await repository.put({ position: 10, id: idOf(2000), bytes: bytesOf(7, SMALL) });
      const now = await repository.digest(10, 239);
      const before = repository.stats();
      await expect(repository.drop(10, 239, { digest })).rejects.toMatchObject({
        code: 'digest_mismatch',
        details: now,
      });
      await repository.delete(10, idOf(2000));
      await repository.delete(200, idOf(200));
      await expect(repository.drop(10, 239, { digest })).rejects.toMatchObject({ code: 'digest_mismatch' });
      await repository.put({ position: 200, id: idOf(200), bytes: bytesOf(1, 10) });
      await expect(repository.drop(10, 239, { digest })).rejects.toMatchObject({ code: 'digest_mismatch' });
      await repository.delete(200, idOf(200));
      await repository.put({ position: 200, id: idOf(200), bytes: bytesOf(200, 10) });
      expect(repository.stats().chunkCount).toBe(before.chunkCount - 1);

      // The wrong range with the right digest is another range.
      await expect(repository.drop(9, 239, { digest })).rejects.toMatchObject({ code: 'digest_mismatch' });
      expect(await repository.drop(10, 239, { digest })).toEqual({ deleted: 231, bytes: 2300 + LARGE });
      expect((await repository.digest(0, 0xffff_ffff)).count).toBe(20);
      const empty = await repository.digest(10, 239);
      expect(await repository.drop(10, 239, { digest: empty.digest })).toEqual({ deleted: 0, bytes: 0 });
    });

    it('leaves chunks that are stored while a range is dropped', async () => {
      const { repository } = await openRoomy();
      const put = (number: number) =>
        repository.put({ position: number, id: idOf(number), bytes: bytesOf(number, SMALL) });
      for (let number = 0; number < 400; number += 2) await put(number);
      const { digest } = await repository.digest(0, 400);
      const dropping = repository.drop(0, 400, { digest });
      const odd = Array.from({ length: 200 }, (_, index) => put(2 * index + 1));
      expect(await dropping).toEqual({ deleted: 200, bytes: 200 * SMALL });
      await Promise.all(odd);
      const left = (await repository.list(0, 400, { limit: 1000 })).entries;
      expect(left.map(({ position }) => position)).toEqual(odd.map((_, index) => 2 * index + 1));
    });

    it('reads no more of the index than the range it is asked for', async () => {
      const { repository } = await openRoomy();
      for (let position = 0; position < 300; position++) {
        await repository.put({ position, id: idOf(position), bytes: bytesOf(position, 10) });
      }
      const cost = async (action: () => Promise<unknown>) => {
        const before = repository.indexReads;
        await action();
        return repository.indexReads - before;
      };
      expect(await cost(() => repository.digest(100, 129))).toBe(30);
      expect(await cost(() => repository.list(100, 129, { limit: 1000 }))).toBe(30);
      expect(await cost(() => repository.drop(100, 129))).toBeLessThanOrEqual(60);
      expect(await cost(() => repository.digest(100, 129))).toBe(0);
    });

    it('keeps within its capacity, reservations included', async () => {
      const { repository } = await open({ capacityBytes: EMPTY_REPOSITORY_BYTES + 2 * storedBytes(LARGE) });
      const first = await repository.reserve(LARGE);
      const second = await repository.reserve(LARGE);
      await expect(repository.reserve(1)).rejects.toMatchObject({ code: 'insufficient_storage' });
      await expect(repository.put({ position: 1, id: idOf(1), bytes: bytesOf(1, 1) })).rejects.toMatchObject({
        code: 'insufficient_storage',
      });
      first.release();
      first.release();
      const bytes = bytesOf(1, LARGE);
      await repository.put({ position: 1, id: idOf(1), bytes, reservation: second });
      second.release();
      expect(repository.stats().usedBytes).toBe(EMPTY_REPOSITORY_BYTES + storedBytes(LARGE));

      // One that turns out to be here already stays with the caller.
      const third = await repository.reserve(LARGE);
      expect(await repository.put({ position: 1, id: idOf(1), bytes, reservation: third })).toBe('exists');
      await expect(repository.reserve(1)).rejects.toMatchObject({ code: 'insufficient_storage' });
      third.release();
      await repository.put({ position: 1, id: idOf(2), bytes });
      expect(repository.stats().usedBytes).toBe(repository.stats().capacityBytes);
      await repository.delete(1, idOf(2));
      await repository.put({ position: 1, id: idOf(3), bytes });
    });

    it('sends no byte of a damaged block, and sets the chunk aside', async () => {
      const harness = await openRoomy();
      const { repository } = harness;
      const bytes = bytesOf(1, LARGE);
      await repository.put({ position: 3, id: idOf(1), bytes });
      await harness.damage(3, idOf(1), BLOCK + 5);

      // The blocks beside it are fine.
      const reading = await opened(repository, 3, idOf(1));
      expect((await read(reading, 0, BLOCK - 1)).equals(bytes.subarray(0, BLOCK))).toBe(true);
      expect((await read(reading, 2 * BLOCK, LARGE - 1)).equals(bytes.subarray(2 * BLOCK))).toBe(true);

      // The part asked for is undamaged, but the block it lies in is not.
      const sent: Buffer[] = [];
      const sink = async (piece: Buffer) => void sent.push(Buffer.from(piece));
      await expect(reading.send(BLOCK + 100, BLOCK + 200, sink)).rejects.toMatchObject({
        code: 'chunk_corrupt',
      });
      expect(sent).toEqual([]);

      expect(await repository.stat(3, idOf(1))).toBeUndefined();
      await expect(reading.send(0, 1, sink)).rejects.toMatchObject({ code: 'chunk_not_found' });
      expect(repository.stats()).toMatchObject({ chunkCount: 0, quarantinedCount: 1 });
      // A good copy can take its place.
      expect(await repository.put({ position: 3, id: idOf(1), bytes })).toBe('created');
      expect((await read(await opened(repository, 3, idOf(1)))).equals(bytes)).toBe(true);
    });

    it('scrubs everything in order, sets aside what is damaged, and goes on where it was told', async () => {
      const harness = await openRoomy();
      const { repository } = harness;
      const numbers = Array.from({ length: 150 }, (_, number) => number);
      const positionOf = (number: number) => (number * 0x0123_4567) >>> 0;
      for (const number of numbers) {
        const bytes = bytesOf(number, number % 10 === 0 ? LARGE : SMALL);
        await repository.put({ position: positionOf(number), id: idOf(number), bytes });
      }
      const order = numbers
        .map((number) => `${formatPosition(positionOf(number))}-${idOf(number)}`)
        .toSorted();
      await harness.damage(positionOf(20), idOf(20), LARGE - 1);
      await harness.damage(positionOf(70), idOf(70), 0);
      let admitted = 0;
      const steps = await scrub(repository, undefined, async (bytes) => {
        admitted += bytes;
      });
      expect(steps.map(({ cursor }) => cursor)).toEqual(order);
      expect(steps.filter(({ finding }) => finding !== 'sound')).toHaveLength(2);
      const bytes = 135 * SMALL + 15 * LARGE;
      expect(steps.reduce((sum, step) => sum + step.bytes, 0)).toBe(bytes);
      expect(admitted).toBeGreaterThanOrEqual(bytes);
      expect(repository.stats()).toMatchObject({ chunkCount: 148, quarantinedCount: 2 });

      const rest = await scrub(repository, order[100], async () => {});
      const gone = [20, 70].map((number) => `${formatPosition(positionOf(number))}-${idOf(number)}`);
      expect(rest.map(({ cursor }) => cursor)).toEqual(
        order.slice(101).filter((name) => !gone.includes(name)),
      );
      expect(rest.every(({ finding }) => finding === 'sound')).toBe(true);

      const refusal = new Error('not now');
      await expect(scrub(repository, undefined, () => Promise.reject(refusal))).rejects.toBe(refusal);
    });

    it('lists what is set aside, and forgets it when told so or when a good copy is stored', async () => {
      const { repository } = await openRoomy();
      const before = repository.stats();
      const times = new Set([before.lastQuarantinedAt]);
      const chunk = (number: number) => ({
        position: number >> 1,
        id: idOf(number),
        bytes: bytesOf(number, number % 2 === 0 ? LARGE : SMALL),
      });
      for (let number = 0; number < 5; number++) {
        const { position, id } = chunk(number);
        await repository.put(chunk(number));
        await repository.quarantine(position, id, `reason ${number}`);
        times.add(repository.stats().lastQuarantinedAt);
      }
      expect(times.size).toBe(6);
      expect(repository.stats()).toMatchObject({ chunkCount: 0, quarantinedCount: 5 });
      expect(repository.stats().usedBytes).toBeGreaterThan(before.usedBytes + 3 * LARGE);
      const first = await repository.listQuarantine({ limit: 3 });
      const second = await repository.listQuarantine({ after: first.next!, limit: 3 });
      expect(second.next).toBeNull();
      const chunks = [...first.chunks, ...second.chunks];
      expect(chunks.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4].map(idOf));
      expect(chunks[2]).toEqual({
        position: 1,
        id: idOf(2),
        length: LARGE,
        reason: 'reason 2',
        quarantinedAt: expect.any(Number),
      });
      await expect(repository.listQuarantine({ after: '../x', limit: 1 })).rejects.toMatchObject({
        code: 'invalid_request',
      });

      expect(await repository.removeQuarantined(0, idOf(0))).toBe(true);
      expect(await repository.removeQuarantined(0, idOf(0))).toBe(false);
      expect(repository.stats().quarantinedCount).toBe(4);
      // One copy of a chunk is kept, however often it is set aside.
      await repository.put({ ...chunk(2), bytes: bytesOf(99, LARGE) });
      expect(repository.stats().quarantinedCount).toBe(3);
      await repository.quarantine(1, idOf(2), 'again');
      // As many as before, but not the same.
      expect(repository.stats().quarantinedCount).toBe(4);
      expect(times).not.toContain(repository.stats().lastQuarantinedAt);
      for (let number = 1; number < 5; number++) {
        await repository.put(chunk(number));
        await repository.delete(chunk(number).position, chunk(number).id);
      }
      expect(repository.stats()).toEqual({ ...before, lastQuarantinedAt: expect.any(Number) });
    });

    it('verifies whole chunks, and quarantines on demand', async () => {
      const harness = await openRoomy();
      const { repository } = harness;
      await repository.put({ position: 3, id: idOf(1), bytes: bytesOf(1, LARGE) });
      await repository.put({ position: 3, id: idOf(2), bytes: bytesOf(2, SMALL) });
      expect(await repository.verify(3, idOf(1))).toBe('ok');
      expect(await repository.verify(3, idOf(2))).toBe('ok');
      await harness.damage(3, idOf(1), LARGE - 1);
      expect(await repository.verify(3, idOf(1))).toBe('quarantined');
      expect(await repository.verify(3, idOf(1))).toBe('absent');
      expect(await repository.quarantine(3, idOf(2), 'the operator said so')).toBe(true);
      expect(await repository.quarantine(3, idOf(2), 'the operator said so')).toBe(false);
      expect(await repository.stat(3, idOf(2))).toBeUndefined();
      expect(repository.stats()).toMatchObject({ chunkCount: 0, quarantinedCount: 2 });
    });
  });
}

async function scrub(
  repository: VideoRepository,
  after: string | undefined,
  admit: (bytes: number) => Promise<void>,
): Promise<ScrubStep[]> {
  const steps: ScrubStep[] = [];
  for await (const step of repository.scrub({ after, admit })) steps.push(step);
  return steps;
}

async function opened(repository: VideoRepository, position: number, id: string): Promise<ChunkReading> {
  const reading = await repository.open(position, id);
  if (!reading) throw new Error(`there is no chunk ${position} ${id}`);
  return reading;
}

async function read(reading: ChunkReading, first = 0, last = reading.entry.length - 1): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await reading.send(first, last, async (piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}
