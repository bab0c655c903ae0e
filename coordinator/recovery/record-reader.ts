import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';
import type { NodeClient } from '../chunks/node-client.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { decodeRecord, type VideoRecord } from '../records/record-codec.ts';
import { READ_STALL_MS } from './limits.ts';
import type { FoundCopy } from './scan-nodes.ts';
import type { StagedObject, StagedRecord } from './stage.ts';

export interface ReadRecord extends VideoRecord {
  /** The chunks it lies in. */
  readonly record: readonly ChunkRef[];
  /** Good copies of the part that has the fewest, as far as their nodes' lists tell. */
  readonly copies: number;
}

export interface ReadObject {
  /** The newest record that could be read; undefined when none could. */
  readonly newest: ReadRecord | undefined;
  /** Why a newer one could not. */
  readonly damage: { readonly version: number; readonly reason: string } | undefined;
  /** Further records of the object. */
  readonly others: number;
}

/** Reads records from whichever nodes have good copies. */
export class RecordReader {
  readonly #client: Pick<NodeClient, 'open'>;
  readonly #nodes: readonly StorageNode[];
  readonly #signal: AbortSignal;

  constructor(client: Pick<NodeClient, 'open'>, nodes: readonly StorageNode[], signal: AbortSignal) {
    this.#client = client;
    this.#nodes = nodes;
    this.#signal = signal;
  }

  /** Rejects only when the signal aborts. */
  async read({ objectId, records }: StagedObject): Promise<ReadObject> {
    let damage: ReadObject['damage'];
    const versions = [...new Set(records.map(({ version }) => version))];
    for (const version of versions) {
      const good: ReadRecord[] = [];
      for (const record of records.filter((candidate) => candidate.version === version)) {
        try {
          good.push(await this.#readOne(objectId, record));
        } catch (error) {
          this.#signal.throwIfAborted();
          damage ??= { version, reason: error instanceof Error ? error.message : String(error) };
        }
      }
      // Of changes that came to the same version one was committed: the last one, as far as anybody can tell.
      good.sort((a, b) => b.video.updatedAt.getTime() - a.video.updatedAt.getTime() || b.copies - a.copies);
      const [newest] = good;
      if (newest !== undefined) {
        const isDamaged = damage !== undefined && damage.version > newest.video.version;
        return { newest, damage: isDamaged ? damage : undefined, others: records.length - 1 };
      }
    }
    return { newest: undefined, damage, others: Math.max(0, records.length - 1) };
  }

  async #readOne(objectId: string, { version, parts }: StagedRecord): Promise<ReadRecord> {
    const record: ChunkRef[] = [];
    const pieces: Buffer[] = [];
    let copies = Number.POSITIVE_INFINITY;
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index];
      if (part === undefined) throw new Error(`part ${index + 1} of ${parts.length} is on no node`);
      const { id, position } = part;
      const { bytes, copy } = await this.#fetch(id, position, part.copies);
      const { length, checksum } = copy;
      pieces.push(bytes);
      record.push({ id, position, length, checksum });
      const same = part.copies.filter((other) => other.length === length && other.checksum === checksum);
      copies = Math.min(copies, same.length);
    }
    const decoded = await decodeRecord(pieces);
    if (decoded.objectId !== objectId || decoded.video.version !== version) {
      throw new Error('the record is not the one that its chunks are named after');
    }
    return { ...decoded, record, copies };
  }

  /** The bytes of the first copy that is good. */
  async #fetch(
    id: string,
    position: number,
    copies: readonly FoundCopy[],
  ): Promise<{ bytes: Buffer; copy: FoundCopy }> {
    let failure: unknown;
    for (const copy of copies) {
      const { length, checksum } = copy;
      try {
        const ref = { id, position, length, checksum };
        const range = { first: 0, last: length - 1 };
        const options = { stallTimeoutMs: READ_STALL_MS, signal: this.#signal };
        const body = await this.#client.open(this.#nodes[copy.node]!, ref, range, options);
        const pieces: Buffer[] = [];
        await body.pipe(async (piece) => void pieces.push(Buffer.from(piece)));
        const bytes = Buffer.concat(pieces);
        const blocks: number[] = [];
        appendBlockChecksums(blocks, bytes);
        if (bytes.length !== length || chunkChecksum(blocks) !== checksum) {
          throw new Error('its bytes do not have the checksum that they should');
        }
        return { bytes, copy };
      } catch (error) {
        this.#signal.throwIfAborted();
        failure = error;
      }
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    throw new Error(`no copy of ${id} can be read: ${why}`, { cause: failure });
  }
}
