import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Level } from 'level';
import { recordPartOf } from '../objects/chunk-id.ts';
import type { FoundCopy } from './scan-nodes.ts';

/** One chunk of a record with where it lies. */
export interface StagedPart {
  readonly id: string;
  readonly position: number;
  readonly copies: readonly FoundCopy[];
}

/** A record as far as its chunks were found. */
export interface StagedRecord {
  readonly version: number;
  readonly token: string;
  /** By part; holes are parts that no node has. */
  readonly parts: readonly (StagedPart | undefined)[];
}

export interface StagedObject {
  readonly objectId: string;
  /** Newest first. */
  readonly records: readonly StagedRecord[];
}

type Batch = { type: 'put'; key: string; value: string }[];

/** What a recovery has to remember and memory might not hold: sorted, in a temporary directory. */
export class Stage implements AsyncDisposable {
  readonly #level: Level<string, string>;
  readonly #directory: string;

  private constructor(level: Level<string, string>, directory: string) {
    this.#level = level;
    this.#directory = directory;
  }

  static async open(): Promise<Stage> {
    const directory = await mkdtemp(path.join(tmpdir(), 'orbitvids-recovery-'));
    const level = new Level<string, string>(directory);
    await level.open();
    return new Stage(level, directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#level.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Chunks of records; others are ignored. */
  async addRecordChunks(found: readonly StagedPart[]): Promise<void> {
    const batch: Batch = found.flatMap((chunk) => {
      const part = recordPartOf(chunk.id);
      if (part === undefined) return [];
      // Backwards, so that the newest comes first.
      const order = (0xffff_ffff - part.version).toString(16).padStart(8, '0');
      const place = String(part.part).padStart(5, '0');
      const key = `record!${part.objectId}!${order}!${part.token}!${place}`;
      return [{ type: 'put', key, value: JSON.stringify(chunk) }];
    });
    if (batch.length > 0) await this.#level.batch(batch);
  }

  async addMissing(chunks: readonly { readonly objectId: string; readonly id: string }[]): Promise<void> {
    const batch: Batch = chunks.map(({ objectId, id }) => ({
      type: 'put',
      key: `missing!${objectId}!${id}`,
      value: id,
    }));
    if (batch.length > 0) await this.#level.batch(batch);
  }

  async addStrays(objectIds: ReadonlySet<string>): Promise<void> {
    const batch: Batch = [...objectIds].map((id) => ({ type: 'put', key: `stray!${id}`, value: '' }));
    if (batch.length > 0) await this.#level.batch(batch);
  }

  async countStrayObjects(): Promise<number> {
    let count = 0;
    for await (const _ of this.#level.keys(withPrefix('stray!'))) count += 1;
    return count;
  }

  /** Every object of which there is at least a part of a record, by id. */
  async *objects(): AsyncGenerator<StagedObject> {
    for await (const { objectId, values } of this.#grouped('record!')) {
      const records = new Map<string, { version: number; token: string; parts: StagedPart[] }>();
      for (const value of values) {
        const chunk = JSON.parse(value) as StagedPart;
        const { version, token, part, parts } = recordPartOf(chunk.id)!;
        const key = `${version}!${token}!${parts}`;
        const record = records.get(key) ?? { version, token, parts: new Array<StagedPart>(parts) };
        record.parts[part] = chunk;
        records.set(key, record);
      }
      yield { objectId, records: [...records.values()] };
    }
  }

  /** The missing chunks of each object that has any. */
  async *missing(): AsyncGenerator<{ objectId: string; chunkIds: readonly string[] }> {
    for await (const { objectId, values } of this.#grouped('missing!')) yield { objectId, chunkIds: values };
  }

  async *#grouped(prefix: string): AsyncGenerator<{ objectId: string; values: string[] }> {
    let objectId: string | undefined;
    let values: string[] = [];
    for await (const [key, value] of this.#level.iterator(withPrefix(prefix))) {
      const id = key.slice(prefix.length, prefix.length + 36);
      if (id !== objectId) {
        if (objectId !== undefined) yield { objectId, values };
        objectId = id;
        values = [];
      }
      values.push(value);
    }
    if (objectId !== undefined) yield { objectId, values };
  }
}

function withPrefix(prefix: string): { gte: string; lt: string } {
  return { gte: prefix, lt: `${prefix}~` };
}
