import { expect, test } from 'vitest';
import { FakeNodes } from '../chunks/testing/fake-nodes.ts';
import type { StorageNode } from '../cluster/placement.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { chunkOf, type DirectUpload, type PartAttempt } from './direct-upload.ts';
import { PartInspector } from './part-inspector.ts';
import type { StatedChunk } from './part-nodes.ts';

const UPLOAD: DirectUpload = {
  ...{ id: '0197a3c2-5d1e-7b44-9c0f-1a2b3c4d5e6f', videoId: 'v', ownerId: null, sha256: null, metadata: {} },
  ...{ size: 1000, partBytes: 1000, nonce: Uint8Array.of(1, 2, 3), expiresAt: new Date() },
};
const GOOD: StatedChunk = { length: 1000, checksum: 7 };
const BAD: StatedChunk = { length: 1000, checksum: 8 };

/** Nodes n0 to n4, of which the first three own everything; what each says it has of the one part. */
class World {
  readonly nodes = new FakeNodes(5);
  readonly has = new Map<string, StatedChunk>();
  readonly silent = new Set<string>();
  readonly deleted: string[] = [];
  readonly pulled: string[] = [];
  readonly inspector = new PartInspector({
    placement: this.nodes,
    logger: silentLogger,
    nodes: {
      stat: async (node: StorageNode, chunks) => {
        if (this.silent.has(node.id)) throw new Error('it does not answer');
        return chunks.map(() => this.has.get(node.id) ?? null);
      },
    },
    inventory: {
      delete: async (node: StorageNode) => {
        this.deleted.push(node.id);
        this.has.delete(node.id);
      },
      pullChunk: async (node: StorageNode, _chunk, source: StorageNode) => {
        if (this.silent.has(source.id) || this.silent.has(node.id)) throw new Error('it cannot be copied');
        this.pulled.push(`${source.id}>${node.id}`);
        this.has.set(node.id, this.has.get(source.id)!);
      },
    },
  });

  set(copies: Readonly<Record<string, StatedChunk>>): this {
    for (const [id, copy] of Object.entries(copies)) this.has.set(id, copy);
    return this;
  }

  async inspect(
    mend: boolean,
    taker = 'n0',
  ): Promise<{ isStored: boolean; isShort: boolean; checksum?: number }> {
    const attempt: PartAttempt = { index: 0, attempt: 0, nodeId: taker };
    const { signal } = new AbortController();
    const [part] = await this.inspector.inspect(UPLOAD, [0], [attempt], { mend }, signal);
    if (part!.chunk !== null) expect(part!.chunk).toMatchObject(chunkOf(UPLOAD, attempt));
    expect(this.nodes.permits).toBe(0);
    const checksum = part!.chunk?.checksum;
    return {
      isStored: part!.chunk !== null,
      isShort: part!.isShort,
      ...(checksum !== undefined && { checksum }),
    };
  }
}

test('a part is stored when a quorum has it, and short while an owner lacks it', async () => {
  expect(await new World().inspect(false)).toEqual({ isStored: false, isShort: false });
  expect((await new World().set({ n0: GOOD }).inspect(false)).isStored).toBe(false);
  expect(await new World().set({ n0: GOOD, n1: GOOD }).inspect(false)).toMatchObject({
    isStored: true,
    isShort: true,
  });
  const all = new World().set({ n0: GOOD, n1: GOOD, n2: GOOD });
  expect(await all.inspect(true)).toMatchObject({ isStored: true, isShort: false });
  expect(all.pulled).toEqual([]);
});

test('what lacks a quorum is copied to the owners, if it may be', async () => {
  const world = new World().set({ n1: GOOD });
  expect((await world.inspect(false)).isStored).toBe(false);
  expect(world.pulled).toEqual([]);
  expect(await world.inspect(true)).toMatchObject({ isStored: true, isShort: false });
  expect(world.pulled.toSorted()).toEqual(['n1>n0', 'n1>n2']);
});

test('a node that took the part and owns nothing counts like a stand-in, and others copy from it', async () => {
  expect((await new World().set({ n4: GOOD, n1: GOOD }).inspect(false, 'n4')).isStored).toBe(true);
  const alone = new World().set({ n4: GOOD });
  expect((await alone.inspect(true, 'n4')).isStored).toBe(true);
});

test('copies with nodes that stood in for an owner count, if the bytes are the same', async () => {
  const world = new World().set({ n0: GOOD, n4: GOOD });
  expect(await world.inspect(false)).toMatchObject({ isStored: true, isShort: true });
  // Nor are they lost while the owners cannot be copied to.
  for (const id of ['n1', 'n2']) world.silent.add(id);
  expect((await world.inspect(true)).isStored).toBe(true);
  expect((await new World().set({ n0: GOOD, n4: BAD }).inspect(false)).isStored).toBe(false);
});

test('while a range changes hands, a quorum of the old and one of the new owners must have it', async () => {
  const world = new World().set({ n0: GOOD, n1: GOOD, n2: GOOD });
  world.nodes.moving = [
    [0, 1, 2],
    [2, 3, 4],
  ];
  expect((await world.inspect(false)).isStored).toBe(false);
  world.set({ n3: GOOD });
  expect((await world.inspect(false)).isStored).toBe(true);
});

test('copies with other bytes than the node that took the part do not count, and are replaced', async () => {
  const world = new World().set({ n0: GOOD, n1: BAD, n2: BAD });
  expect((await world.inspect(false)).isStored).toBe(false);
  expect(world.deleted).toEqual([]);
  expect(await world.inspect(true)).toEqual({ isStored: true, isShort: false, checksum: GOOD.checksum });
  expect(world.deleted.toSorted()).toEqual(['n1', 'n2']);
  const gone = new World().set({ n1: GOOD, n2: BAD });
  gone.silent.add('n0');
  expect((await gone.inspect(true)).isStored).toBe(false);
  expect(gone.deleted.toSorted()).toEqual(['n1', 'n2']);
});

test('nodes that do not answer hold up nothing, and what they have does not count', async () => {
  const world = new World().set({ n0: GOOD, n1: GOOD, n2: GOOD });
  world.silent.add('n2');
  expect(await world.inspect(false)).toMatchObject({ isStored: true, isShort: true });
  world.silent.add('n1');
  expect((await world.inspect(true)).isStored).toBe(false);
});

test('nothing is said when this coordinator lost touch meanwhile', async () => {
  const world = new World().set({ n0: GOOD, n1: GOOD, n2: GOOD });
  world.nodes.permitsValid = false;
  await expect(world.inspect(false)).rejects.toMatchObject({ code: 'write_quorum_unavailable' });
  expect(world.nodes.permits).toBe(0);
});
