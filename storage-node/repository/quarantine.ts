import { constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { QUARANTINE_CAPACITY_SHARE, QUARANTINE_CHUNKS_MAX } from '../limits.ts';
import type { Capacity } from './capacity.ts';
import type { ChunkFiles } from './chunk-files.ts';
import { chunkName, parseChunkName } from './chunk-name.ts';
import { type FileSystem, unlinkIfPresent } from './file-system.ts';
import type { IndexRecord } from './index-entry.ts';
import type { QuarantinedChunk, QuarantinePage } from './video-repository.ts';

const NOTE_SUFFIX = '.json';
const noteSchema = z.object({ reason: z.string(), length: z.number().optional() });

interface Kept {
  readonly at: number;
  /** Bytes of the chunk that are kept; 0 when there were none or they had to make room. */
  chunkBytes: number;
  noteBytes: number;
}

/**
 * Chunks that failed verification, kept for a look: `quarantine/<chunk name>.<milliseconds>` holds the bytes as
 * they were found (there are none when the file was missing), the same name with `.json` says what was
 * expected and why it lies here. One copy of a chunk is kept, the last. Number and bytes are bounded: the oldest
 * lose their bytes, and are forgotten at last. The files may be deleted at any time; a restart takes note.
 */
export class Quarantine {
  readonly #directory: string;
  readonly #context: QuarantineContext;
  /** By chunk name, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #chunkBytes = 0;
  /** What `list` has. */
  #lastAt: number | null = null;
  /** In a name, of a chunk that may still be on its way here. */
  #lastGiven = -1;

  private constructor(directory: string, context: QuarantineContext) {
    this.#directory = directory;
    this.#context = context;
  }

  /** Counts what is there, against the capacity too. */
  static async open(directory: string, context: QuarantineContext): Promise<Quarantine> {
    const quarantine = new Quarantine(directory, context);
    const found: { name: string; at: number; suffix: string; sizeBytes: number }[] = [];
    for (const file of await context.fileSystem.list(directory)) {
      const sizeBytes = (await context.fileSystem.stat(join(directory, file)))?.sizeBytes ?? 0;
      context.capacity.add(sizeBytes);
      const [, name = '', at, suffix = ''] = /^(.*)\.(\d+)(\.json)?$/.exec(file) ?? [];
      if (parseChunkName(name)) found.push({ name, at: Number(at), suffix, sizeBytes });
    }
    for (const { name, at, suffix, sizeBytes } of found.sort((a, b) => a.at - b.at)) {
      if (quarantine.#kept.has(name) && quarantine.#kept.get(name)!.at !== at) await quarantine.#remove(name);
      const kept = quarantine.#kept.get(name) ?? { at, chunkBytes: 0, noteBytes: 0 };
      quarantine.#kept.set(name, kept);
      quarantine.#lastAt = at;
      quarantine.#lastGiven = at;
      if (suffix === NOTE_SUFFIX) kept.noteBytes = sizeBytes;
      else kept.chunkBytes = sizeBytes;
      if (suffix !== NOTE_SUFFIX) quarantine.#chunkBytes += sizeBytes;
    }
    return quarantine;
  }

  get count(): number {
    return this.#kept.size;
  }

  /** When a chunk was last set aside; null when none was that is still known of. */
  get lastAt(): number | null {
    return this.#lastAt;
  }

  /** Takes what is stored of a chunk. The caller holds the chunk's lock and removes its entry afterwards. */
  async add(record: IndexRecord, files: ChunkFiles, reason: string): Promise<void> {
    const { position, id, entry } = record;
    const name = chunkName(position, id);
    const at = this.#nextTime();
    const kept = { at, chunkBytes: 0, noteBytes: 0 };
    const path = this.#pathOf(name, at);
    const movedBytes = await files.moveAway(position, id, path);
    this.#count(kept, movedBytes ?? 0, 0);
    if (this.#kept.has(name)) await this.remove(position, id);
    this.#kept.set(name, kept);
    // Not before: whoever sees the time and lists has to find the chunk. Another one, begun later, may have been quicker.
    this.#lastAt = Math.max(at, (this.#lastAt ?? -1) + 1);
    try {
      if (entry?.inline) {
        await this.#writeFile(path, entry.inline);
        this.#count(kept, entry.inline.length, 0);
      }
      const note = noteOf(record, reason, at);
      await this.#writeFile(path + NOTE_SUFFIX, note);
      this.#count(kept, 0, note.length);
      await this.#makeRoom();
    } catch (error) {
      // A full disk must not keep a damaged chunk in service.
      this.#context.logger.warn({ err: error, path }, 'a quarantined chunk has no note');
    }
  }

  async list({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<QuarantinePage> {
    const following = [...this.#kept.keys()].filter((name) => name > after).sort();
    const chunks: QuarantinedChunk[] = [];
    for (const name of following.slice(0, limit)) {
      const kept = this.#kept.get(name);
      const chunk = kept && (await this.#describe(name, kept));
      if (chunk) chunks.push(chunk);
    }
    return { chunks, next: following.length > limit ? following[limit - 1]! : null };
  }

  /** Whether anything was kept of the chunk. */
  async remove(position: number, id: string): Promise<boolean> {
    return this.#remove(chunkName(position, id));
  }

  async #remove(name: string): Promise<boolean> {
    const kept = this.#kept.get(name);
    if (!kept) return false;
    this.#kept.delete(name);
    await this.#dropBytes(name, kept);
    await unlinkIfPresent(this.#context.fileSystem, this.#pathOf(name, kept.at) + NOTE_SUFFIX);
    this.#count(kept, 0, -kept.noteBytes);
    return true;
  }

  /** Bounds number and bytes. What was set aside last stays whole. */
  async #makeRoom(): Promise<void> {
    const bytesMax = this.#context.capacity.limitBytes * QUARANTINE_CAPACITY_SHARE;
    const oldest = [...this.#kept.entries()].slice(0, -1);
    for (const [name, kept] of oldest) {
      if (this.#chunkBytes <= bytesMax) break;
      await this.#dropBytes(name, kept);
    }
    for (const [name] of oldest) {
      if (this.#kept.size <= QUARANTINE_CHUNKS_MAX) break;
      await this.#remove(name);
    }
  }

  async #dropBytes(name: string, kept: Kept): Promise<void> {
    if (kept.chunkBytes === 0) return;
    await unlinkIfPresent(this.#context.fileSystem, this.#pathOf(name, kept.at));
    this.#count(kept, -kept.chunkBytes, 0);
  }

  async #describe(name: string, kept: Kept): Promise<QuarantinedChunk | undefined> {
    const chunk = parseChunkName(name);
    if (!chunk) return undefined;
    let note: Partial<z.infer<typeof noteSchema>> = {};
    try {
      note = noteSchema.parse(JSON.parse(await readFile(this.#pathOf(name, kept.at) + NOTE_SUFFIX, 'utf8')));
    } catch {
      // There was no room for a note, or somebody deleted it.
    }
    const { reason = 'unknown', length = null } = note;
    return { ...chunk, length, reason, quarantinedAt: kept.at };
  }

  /** No two are the same, however many chunks are set aside in one millisecond. */
  #nextTime(): number {
    this.#lastGiven = Math.max(this.#context.clock.nowMs(), this.#lastGiven + 1);
    return this.#lastGiven;
  }

  #count(kept: Kept, chunkBytes: number, noteBytes: number): void {
    kept.chunkBytes += chunkBytes;
    kept.noteBytes += noteBytes;
    this.#chunkBytes += chunkBytes;
    this.#context.capacity.add(chunkBytes + noteBytes);
  }

  #pathOf(name: string, at: number): string {
    return join(this.#directory, `${name}.${at}`);
  }

  async #writeFile(path: string, bytes: Buffer): Promise<void> {
    const { fileSystem } = this.#context;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    const descriptor = await fileSystem.open(path, flags);
    try {
      await fileSystem.write(descriptor, [bytes], 0);
    } finally {
      await fileSystem.close(descriptor);
    }
  }
}

function noteOf({ position, id, entry }: IndexRecord, reason: string, quarantinedAt: number): Buffer {
  const { length, checksum, createdAt } = entry ?? {};
  const note = { position, id, reason, quarantinedAt, length, checksum, createdAt };
  return Buffer.from(`${JSON.stringify(note)}\n`);
}

export interface QuarantineContext {
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly capacity: Capacity;
}
