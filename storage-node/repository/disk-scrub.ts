import type { Logger } from '../../lib/logging/logger.ts';
import { SCRUB_PAGE_ENTRIES } from '../limits.ts';
import { type ChunkFiles, fanNames, fanOf } from './chunk-files.ts';
import type { ChunkIndex, IndexPage } from './chunk-index.ts';
import { chunkName, parseChunkName, parseCursor } from './chunk-name.ts';
import { encodeKey, type IndexRecord } from './index-entry.ts';
import type { ScrubFinding, ScrubStep } from './video-repository.ts';

/** What a scrub meets: an entry of the index, sound or not, or (without one) a chunk file. */
export interface ScrubTarget {
  readonly position: number;
  readonly id: string;
  readonly record: IndexRecord | undefined;
}

export interface DiskScrubParts {
  readonly index: ChunkIndex;
  readonly files: ChunkFiles;
  readonly logger: Logger;
  /** Looks at one chunk and sees to it that it is sound or set aside. Undefined when it is gone. */
  readonly examine: (target: ScrubTarget) => Promise<{ finding: ScrubFinding; bytes: number } | undefined>;
}

/**
 * Walks index and chunk files side by side, in the order of their names, a page of entries at a time; between two
 * pages nothing is held. Of each page:
 *
 * 1. Entries under keys that are no chunk's go. Damaged entries are examined at once: they may lie out of order.
 * 2. The sound entries, and the files between the last page and this one's last sound entry, are examined in
 *    order. A file whose entry was damaged, or lies where it cannot be read, is one without an entry.
 */
export async function* scrubDisk(
  parts: DiskScrubParts,
  cursor: string | undefined,
): AsyncGenerator<ScrubStep> {
  const from = cursor === undefined ? undefined : parseCursor(cursor);
  let afterName = cursor ?? '';
  let afterKey = from && encodeKey(from.position, from.id);
  for (let ended = false; !ended; ) {
    const page = await parts.index.readPage(afterKey, SCRUB_PAGE_ENTRIES);
    ended = page.ended;
    yield* scrubDamaged(parts, page, afterName);
    const sound = new Map(
      page.entries.flatMap(({ key, record }) =>
        record?.entry ? [[chunkName(record.position, record.id), { key, record }]] : [],
      ),
    );
    const last = [...sound.keys()].sort().at(-1);
    const movesOn = last !== undefined && last > afterName;
    // A page without a sound entry moves the reading on; its files come with the next one.
    afterKey = movesOn ? sound.get(last)!.key : page.entries.at(-1)?.key;
    if (!movesOn && !ended) continue;
    const upTo = ended ? undefined : last;
    for await (const target of merge(parts.files, sound, afterName, upTo)) {
      const found = await parts.examine(target);
      if (found) yield { ...found, cursor: chunkName(target.position, target.id) };
    }
    afterName = upTo ?? afterName;
  }
}

async function* scrubDamaged(
  { index, logger, examine }: DiskScrubParts,
  page: IndexPage,
  afterName: string,
): AsyncGenerator<ScrubStep> {
  const cursor = afterName === '' ? null : afterName;
  if (page.error !== undefined) {
    logger.error(
      { event: 'index_damaged', err: page.error },
      'a part of the index cannot be read; a restart repairs it',
    );
    yield { finding: 'unreadable', bytes: 0, cursor };
  }
  for (const { key, record } of page.entries) {
    if (record?.entry) continue;
    if (record) {
      const found = await examine({ ...record, record });
      if (found) yield { ...found, cursor };
    } else {
      await index.deleteKey(key);
      logger.error(
        { event: 'index_entry_removed', key: key.toString('hex') },
        'a key of the index is damaged',
      );
      yield { finding: 'removed', bytes: 0, cursor };
    }
  }
}

/** Entries (by name) and files with names behind `after`, up to `upTo` (inclusive; without it to the end), in order. */
async function* merge(
  files: ChunkFiles,
  sound: ReadonlyMap<string, { readonly record: IndexRecord }>,
  after: string,
  upTo: string | undefined,
): AsyncGenerator<ScrubTarget> {
  const [firstFan, lastFan] = [after.slice(0, 2), upTo?.slice(0, 2)];
  for (const fan of fanNames()) {
    if (fan < firstFan || (lastFan !== undefined && fan > lastFan)) continue;
    const names = new Set(await files.namesIn(fan));
    for (const [name, { record }] of sound) if (fanOf(record.position) === fan) names.add(name);
    for (const name of [...names].sort()) {
      if (name <= after || (upTo !== undefined && name > upTo)) continue;
      const chunk = parseChunkName(name);
      // What is not named like a chunk of this directory is not ours.
      if (!chunk || fanOf(chunk.position) !== fan) continue;
      yield { ...chunk, record: sound.get(name)?.record };
    }
  }
}
