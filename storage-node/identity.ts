import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors/app-error.ts';
import { writeDurably } from './write-durably.ts';

const FILE = 'identity.json';
const FORMAT_VERSION = 1;

const identitySchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  nodeId: z.uuid(),
  clusterId: z.uuid().nullable(),
  dataId: z.uuid().optional(),
});
type IdentityFile = z.infer<typeof identitySchema> & { readonly dataId: string };

/**
 * Who a node is and which cluster it belongs to: `identity.json` in its data directory. The node's id is made at
 * the first start and belongs to the directory, not to the machine or the address. The data id names what the
 * directory holds; see `settleDataId`.
 */
export class NodeIdentity {
  readonly #directory: string;
  /** Made by this start. */
  readonly isNew: boolean;
  #file: IdentityFile;
  #changing: Promise<void> = Promise.resolve();

  private constructor(directory: string, file: IdentityFile, isNew: boolean) {
    this.#directory = directory;
    this.#file = file;
    this.isNew = isNew;
  }

  /** Reads the file, or makes it, durably. Rejects when it is there and not usable: data without an owner is a fault. */
  static async open(directory: string): Promise<NodeIdentity> {
    const text = await readFile(join(directory, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const dataId = randomUUID();
    if (text === undefined) {
      const file = { formatVersion: FORMAT_VERSION, nodeId: randomUUID(), clusterId: null, dataId } as const;
      await write(directory, file);
      return new NodeIdentity(directory, file, true);
    }
    // Files that were written before there were data ids get one with the first change.
    const file = parseIdentity(directory, text);
    return new NodeIdentity(directory, { ...file, dataId: file.dataId ?? dataId }, false);
  }

  get nodeId(): string {
    return this.#file.nodeId;
  }

  /** Null until a cluster has claimed the node. */
  get clusterId(): string | null {
    return this.#file.clusterId;
  }

  get dataId(): string {
    return this.#file.dataId;
  }

  /** Gives the data another id, durably. */
  setDataId(dataId: string): Promise<void> {
    return this.#change(() => ({ dataId }));
  }

  /**
   * Makes the node belong to a cluster, durably, for good. Idempotent; rejects with `foreign_cluster` when it
   * belongs to another one.
   */
  claim(clusterId: string): Promise<void> {
    return this.#change((file) => {
      if (file.clusterId === clusterId) return undefined;
      if (file.clusterId === null) return { clusterId };
      throw new AppError('foreign_cluster', 'The node belongs to another cluster.', {
        details: { clusterId: file.clusterId },
      });
    });
  }

  /** One change after the other, each on the disk before it counts. */
  #change(decide: (file: IdentityFile) => Partial<IdentityFile> | undefined): Promise<void> {
    const change = this.#changing.then(async () => {
      const changes = decide(this.#file);
      if (changes === undefined) return;
      const file = { ...this.#file, ...changes };
      await write(this.#directory, file);
      this.#file = file;
    });
    this.#changing = change.catch(() => {});
    return change;
  }
}

function parseIdentity(directory: string, text: string): z.infer<typeof identitySchema> {
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(
      `${join(directory, FILE)} is not usable; this node was started on the wrong directory, or by an older version`,
      {
        cause: error,
      },
    );
  }
}

function write(directory: string, file: IdentityFile): Promise<void> {
  return writeDurably(join(directory, FILE), `${JSON.stringify(file, null, 2)}\n`);
}
