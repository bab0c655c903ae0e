import type { Soon } from '../../lib/soon/soon.ts';
import { LoadingCache } from '../loading-cache.ts';
import type { PictureFile, RenditionRepository } from '../renditions/rendition.ts';
import { bitRatesOf } from './bit-rates.ts';
import {
  CACHED_TABLES_BYTES_MAX,
  CACHED_TABLES_MAX,
  CACHED_VIDEOS_BYTES_MAX,
  CACHED_VIDEOS_MAX,
} from './limits.ts';
import type { ReadyRendition } from './master-playlist.ts';
import { SegmentTable } from './segment-table.ts';

/** What a video can be played from. */
export interface Playable {
  /** Of those that are ready, by id, in the order in which they were made. */
  readonly renditions: ReadonlyMap<string, ReadyRendition>;
  /** The longest one's; 0 without any. */
  readonly durationS: number;
  /** By name. */
  readonly pictures: ReadonlyMap<string, PictureFile>;
}

const VIDEO_WEIGHT_BYTES = 300;
const RENDITION_WEIGHT_BYTES = 1000;
const PICTURE_WEIGHT_BYTES = 800;

/** What videos can be played from, in memory. Whoever changes that says so by `invalidate` or `invalidateAll`. */
export class PlaybackCatalog {
  readonly #repository: Pick<RenditionRepository, 'list' | 'pieces' | 'pictures'>;
  readonly #videos: LoadingCache<Playable>;
  readonly #tables: LoadingCache<SegmentTable>;

  constructor(repository: Pick<RenditionRepository, 'list' | 'pieces' | 'pictures'>) {
    this.#repository = repository;
    this.#videos = new LoadingCache({
      load: (videoId) => this.#load(videoId),
      weightOf: ({ renditions, pictures }) =>
        VIDEO_WEIGHT_BYTES + renditions.size * RENDITION_WEIGHT_BYTES + pictures.size * PICTURE_WEIGHT_BYTES,
      maxEntries: CACHED_VIDEOS_MAX,
      maxWeight: CACHED_VIDEOS_BYTES_MAX,
    });
    this.#tables = new LoadingCache({
      load: (renditionId) => this.#loadTable(renditionId),
      weightOf: (table) => table.weightBytes,
      maxEntries: CACHED_TABLES_MAX,
      maxWeight: CACHED_TABLES_BYTES_MAX,
    });
  }

  /** Of a video that is there. Only a miss waits. */
  playable(videoId: string): Soon<Playable> {
    return this.#videos.peek(videoId) ?? (this.#videos.get(videoId) as Promise<Playable>);
  }

  /** Of a rendition that is ready, so that its table does not change any more; null when it is gone. */
  table(renditionId: string): Soon<SegmentTable | null> {
    return this.#tables.peek(renditionId) ?? this.#tables.get(renditionId);
  }

  /** What was derived of the video changed. */
  invalidate(videoId: string): void {
    this.#videos.invalidate(videoId);
  }

  /** Messages may have been lost. */
  invalidateAll(): void {
    this.#videos.clear();
  }

  /** That there is nothing is known as well: what comes is announced. */
  async #load(videoId: string): Promise<Playable> {
    const [all, files] = [await this.#repository.list(videoId), await this.#repository.pictures(videoId)];
    const renditions = new Map<string, ReadyRendition>();
    let durationS = 0;
    for (const rendition of all.filter(({ isReady }) => isReady)) {
      const table = await this.table(rendition.id);
      // It was replaced just now, and its successor is announced.
      if (table === null) continue;
      const rates = bitRatesOf(table);
      durationS = Math.max(durationS, rates.durationS);
      renditions.set(rendition.id, { rendition, ...rates });
    }
    return { renditions, durationS, pictures: new Map(files.map((file) => [file.name, file])) };
  }

  async #loadTable(renditionId: string): Promise<SegmentTable | null> {
    const pieces = await this.#repository.pieces(renditionId);
    return pieces.length === 0 ? null : new SegmentTable(pieces);
  }
}
