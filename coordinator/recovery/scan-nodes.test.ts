import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ListedChunk } from '../cluster/node-inventory.ts';
import { type FoundCopy, scanNodes } from './scan-nodes.ts';

const TOP = 2 ** 32 - 1;
const signal = new AbortController().signal;
const position = fc.oneof(fc.nat(5), fc.nat(TOP), fc.constant(TOP));
const listing = fc
  .uniqueArray(fc.record({ position, suffix: fc.nat(3) }), {
    maxLength: 30,
    selector: (entry) => `${entry.position}-${entry.suffix}`,
  })
  .map((entries) =>
    entries
      .map(
        ({ position, suffix }): ListedChunk => ({
          id: `chunk-${position}-${suffix}`,
          position,
          length: 1 + suffix,
          checksum: 7,
          createdAtMs: 0,
        }),
      )
      .sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1)),
  );

test('every copy of every node is in exactly one window, beside the others of its chunk', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(listing, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      async (lists, size) => {
        const nodes = lists.map((_, index) => ({ id: String(index), url: `http://n${index}`, zone: 'z' }));
        const inventory = {
          list: async (
            { id }: { id: string },
            _: unknown,
            { after, limit }: { after: string | null; limit: number },
          ) => {
            const start = after === null ? 0 : Number(after);
            const chunks = lists[Number(id)]!.slice(start, start + limit);
            const end = start + chunks.length;
            return { chunks, nextCursor: end < lists[Number(id)]!.length ? String(end) : null };
          },
        };
        const found = new Map<string, FoundCopy[]>();
        let next = 0;
        for await (const { first, last, chunks } of scanNodes(nodes, inventory, signal, size)) {
          expect(first).toBe(next);
          expect(last).toBeGreaterThanOrEqual(first);
          next = last + 1;
          for (const [id, chunk] of chunks) {
            expect(found.has(id)).toBe(false);
            expect(chunk.position >= first && chunk.position <= last).toBe(true);
            found.set(id, chunk.copies);
          }
        }
        expect(next).toBe(TOP + 1);
        const expected = new Map<string, FoundCopy[]>();
        for (const [node, list] of lists.entries()) {
          for (const { id, length, checksum } of list)
            expected.set(id, [...(expected.get(id) ?? []), { node, length, checksum }]);
        }
        expect(found).toEqual(expected);
      },
    ),
  );
});

test('a listing that does not end is not followed for ever', async () => {
  const node = { id: 'a', url: 'http://a', zone: 'z' };
  const inventory = { list: async () => ({ chunks: [], nextCursor: 'same' }) };
  const scan = async () => {
    for await (const _ of scanNodes([node], inventory, signal));
  };
  await expect(scan()).rejects.toThrow('does not end');
});
