import type { Writable } from 'node:stream';
import type { Recipe } from '../../lib/worker-api/recipe.ts';
import type { ObjectReading, ObjectStore } from '../chunks/object-store.ts';
import type { Manifest } from '../objects/manifest.ts';
import { GapFilter } from './gap-filter.ts';
import { READ_AHEAD_BYTES } from './limits.ts';
import { assertThere } from './memory-reading.ts';
import { groupsOf, isSolid, type SourceGroup } from './source-groups.ts';

export interface VirtualSegment {
  readonly recipe: Recipe;
  readonly source: Manifest;
}

/**
 * Opens bytes `first` to `last` (inclusive) of a segment that is made of its source by a recipe: its header, then ranges of the
 * source. Resolves and rejects like `ObjectStore.read`.
 */
export async function openVirtual(
  store: Pick<ObjectStore, 'read'>,
  { recipe, source }: VirtualSegment,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<ObjectReading> {
  const { header, ranges } = recipe;
  const own = header.subarray(Math.min(first, header.length), Math.min(last + 1, header.length));
  const groups = groupsOf(ranges, Math.max(0, first - header.length), last - first + 1 - own.length);
  const [group] = groups;
  const opened = group && (await store.read(source, group.first, group.last, signal));
  return new VirtualReading(store, source, own, groups, opened);
}

/** Its groups are read one after the other, the next one asked for while a short one is sent. */
class VirtualReading implements ObjectReading {
  readonly #store: Pick<ObjectStore, 'read'>;
  readonly #source: Manifest;
  readonly #header: Uint8Array;
  readonly #groups: readonly SourceGroup[];
  /** The first of the groups, or the one whose turn it is. */
  #opened: ObjectReading | undefined;
  #ahead: Promise<ObjectReading> | undefined;

  constructor(
    store: Pick<ObjectStore, 'read'>,
    source: Manifest,
    header: Uint8Array,
    groups: readonly SourceGroup[],
    opened: ObjectReading | undefined,
  ) {
    this.#store = store;
    this.#source = source;
    this.#header = header;
    this.#groups = groups;
    this.#opened = opened;
  }

  async sendTo(sink: Writable, signal: AbortSignal): Promise<void> {
    try {
      assertThere(sink);
      if (this.#header.length > 0) sink.write(this.#header);
      for (const [index, group] of this.#groups.entries()) {
        const reading = this.#opened ?? (await (this.#ahead ?? this.#open(group, signal)));
        this.#opened = reading;
        this.#ahead = undefined;
        const next = this.#groups[index + 1];
        if (next !== undefined && group.bytes <= READ_AHEAD_BYTES) {
          this.#ahead = this.#open(next, signal);
          // Whoever awaits it hears of the failure; nobody does when the reading ends before.
          this.#ahead.catch(() => {});
        }
        await reading.sendTo(isSolid(group) ? sink : new GapFilter(sink, group), signal);
        this.#opened = undefined;
      }
    } finally {
      this.cancel();
    }
  }

  cancel(): void {
    this.#opened?.cancel();
    this.#opened = undefined;
    this.#ahead?.then((reading) => reading.cancel()).catch(() => {});
    this.#ahead = undefined;
  }

  #open(group: SourceGroup, signal: AbortSignal): Promise<ObjectReading> {
    return this.#store.read(this.#source, group.first, group.last, signal);
  }
}
