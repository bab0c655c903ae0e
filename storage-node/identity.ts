import { randomUUID } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors/app-error.ts';

const FILE = 'identity.json';
const FORMAT_VERSION = 1;

const identitySchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  nodeId: z.uuid(),
  clusterId: z.uuid().nullable(),
});
type IdentityFile = z.infer<typeof identitySchema>;

/**
 * Who a node is and which cluster it belongs to: `identity.json` in its data directory. The node's id is made at
 * the first start and belongs to the data, not to the machine or the address.
 */
export class NodeIdentity {
  readonly #directory: string;
  #file: IdentityFile;
  #claiming: Promise<void> = Promise.resolve();

  private constructor(directory: string, file: IdentityFile) {
    this.#directory = directory;
    this.#file = file;
  }

  /** Reads the file, or makes it, durably. Rejects when it is there and not usable: data without an owner is a fault. */
  static async open(directory: string): Promise<NodeIdentity> {
    const text = await readFile(join(directory, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) return new NodeIdentity(directory, parseIdentity(directory, text));
    const file: IdentityFile = { formatVersion: FORMAT_VERSION, nodeId: randomUUID(), clusterId: null };
    await writeDurably(directory, file);
    return new NodeIdentity(directory, file);
  }

  get nodeId(): string {
    return this.#file.nodeId;
  }

  /** Null until a cluster has claimed the node. */
  get clusterId(): string | null {
    return this.#file.clusterId;
  }

  /**
   * Makes the node belong to a cluster, durably, for good. Idempotent; rejects with `foreign_cluster` when it
   * belongs to another one.
   */
  claim(clusterId: string): Promise<void> {
    const claim = this.#claiming.then(async () => {
      if (this.#file.clusterId === clusterId) return;
      if (this.#file.clusterId !== null) {
        throw new AppError('foreign_cluster', 'The node belongs to another cluster.', {
          details: { clusterId: this.#file.clusterId },
        });
      }
      const file = { ...this.#file, clusterId };
      await writeDurably(this.#directory, file);
      this.#file = file;
    });
    this.#claiming = claim.catch(() => {});
    return claim;
  }
}

function parseIdentity(directory: string, text: string): IdentityFile {
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

/** Temporary file, sync, rename, sync of the directory: after a crash the old or the new file is there, whole. */
async function writeDurably(directory: string, file: IdentityFile): Promise<void> {
  const path = join(directory, FILE);
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o640);
  try {
    await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  const parent = await open(directory, 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}
