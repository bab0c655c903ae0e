import type { Slice } from './source-bytes.ts';

/** A video that was acknowledged, and what its bytes must be. */
export interface StoredVideo {
  readonly id: string;
  readonly slice: Slice;
  readonly sha256: string;
  /** See `firstChunkOf`; by it the chunks of the object can be told among all others. */
  readonly firstChunk: string;
}

/** Which videos there must be now. What is being deleted need not be there any more, what is deleted must not. */
export class VideoLedger {
  readonly #stored = new Map<string, StoredVideo>();
  readonly #deleted = new Set<string>();

  add(video: StoredVideo): void {
    this.#stored.set(video.id, video);
  }

  /** To be called before the request to delete it is sent. */
  remove(id: string): void {
    if (this.#stored.delete(id)) this.#deleted.add(id);
  }

  has(id: string): boolean {
    return this.#stored.has(id);
  }

  get videos(): readonly StoredVideo[] {
    return [...this.#stored.values()];
  }

  get deletedIds(): readonly string[] {
    return [...this.#deleted];
  }
}
