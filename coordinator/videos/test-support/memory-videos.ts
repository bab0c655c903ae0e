import type { StoredObject } from '../../objects/object-repository.ts';
import type { Video, VideoChanges, VideoPage, VideoPosition, VideoRepository } from '../video-repository.ts';
import type { MemoryObjectRepository } from './memory-objects.ts';

/** Videos in memory. */
export class MemoryVideoRepository implements VideoRepository {
  readonly videos = new Map<string, Video>();
  finds = 0;

  readonly #objects: MemoryObjectRepository;

  constructor(objects: MemoryObjectRepository) {
    this.#objects = objects;
  }

  async insert(video: Video, stored: StoredObject): Promise<void> {
    this.#objects.commit(video.objectId, stored, () => this.videos.set(video.id, video));
  }

  async find(id: string): Promise<Video | null> {
    this.finds += 1;
    return this.videos.get(id) ?? null;
  }

  async findAll(ids: readonly string[]): Promise<Video[]> {
    return ids.flatMap((id) => this.videos.get(id) ?? []);
  }

  async list({ limit, after, audience, ownerId }: VideoPage): Promise<Video[]> {
    const isListed = (video: Video) =>
      audience === 'everything' ||
      video.visibility === 'public' ||
      (audience.userId !== null && video.ownerId === audience.userId);
    return [...this.videos.values()]
      .sort((a, b) => compare(b, a))
      .filter((video) => after === undefined || compare(video, after) < 0)
      .filter((video) => isListed(video) && (ownerId === undefined || video.ownerId === ownerId))
      .slice(0, limit);
  }

  async update(
    _transaction: unknown,
    id: string,
    changes: VideoChanges,
    options: { updatedAt: Date; version?: number | undefined },
  ): Promise<Video | null> {
    const current = this.#current(id, options.version);
    if (current === undefined) return null;
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const changed = { ...current, ...given, version: current.version + 1, updatedAt: options.updatedAt };
    this.videos.set(id, changed);
    return changed;
  }

  async delete(
    _transaction: unknown,
    id: string,
    options: { version?: number | undefined },
  ): Promise<Video | null> {
    const current = this.#current(id, options.version);
    if (current === undefined) return null;
    this.videos.delete(id);
    return current;
  }

  async lock(_transaction: unknown, id: string, version: number): Promise<Video | null> {
    return this.#current(id, version) ?? null;
  }

  async fillSha256(
    _transaction: unknown,
    id: string,
    sha256: Uint8Array,
    { version }: { version: number },
  ): Promise<Video | null> {
    const current = this.#current(id, version);
    if (current === undefined || current.sha256 !== null) return null;
    const changed = { ...current, sha256, version: version + 1 };
    this.videos.set(id, changed);
    return changed;
  }

  /** Whatever has become of it. */
  async dropSource(_transaction: unknown, id: string, at: Date): Promise<Video | null> {
    const current = this.videos.get(id);
    if (current === undefined || current.sourceDroppedAt !== undefined) return null;
    const dropped = { ...current, version: current.version + 1, updatedAt: at, sourceDroppedAt: at };
    this.videos.set(id, dropped);
    return dropped;
  }

  async withSourceToDrop(): Promise<string[]> {
    return [];
  }

  async withoutSha256(): Promise<Video[]> {
    return [...this.videos.values()].filter(({ sha256 }) => sha256 === null);
  }

  async withoutRecord(): Promise<string[]> {
    return [];
  }

  #current(id: string, version: number | undefined): Video | undefined {
    const current = this.videos.get(id);
    return version === undefined || current?.version === version ? current : undefined;
  }
}

function compare(a: VideoPosition, b: VideoPosition): number {
  return a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
