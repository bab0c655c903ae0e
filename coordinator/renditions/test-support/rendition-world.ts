import { v7 as uuidv7 } from 'uuid';
import type { DatabaseHandle, Transaction } from '../../database/database.ts';
import { type Engine, openTestDatabase } from '../../database/test-support/engines.ts';
import { createChunkId } from '../../objects/chunk-id.ts';
import type { ChunkRef } from '../../objects/manifest.ts';
import { SqlObjectRepository } from '../../objects/sql-object-repository.ts';
import { SqlVideoRepository } from '../../videos/sql-video-repository.ts';
import type { Video } from '../../videos/video-repository.ts';
import type { OpenOutput, Rendition, RenditionPiece } from '../rendition.ts';
import { SqlRenditionRepository } from '../sql-rendition-repository.ts';

/** A database with what renditions hang on. */
export class RenditionWorld implements AsyncDisposable {
  readonly handle: DatabaseHandle;
  readonly objects: SqlObjectRepository;
  readonly videos: SqlVideoRepository;
  readonly renditions: SqlRenditionRepository;
  /** Ids of videos, in the order in which their changes were announced. */
  readonly announced: string[] = [];

  private constructor(handle: DatabaseHandle) {
    this.handle = handle;
    this.objects = new SqlObjectRepository(handle.kysely);
    this.videos = new SqlVideoRepository(handle.kysely);
    this.renditions = new SqlRenditionRepository({
      database: handle.kysely,
      announceChange: async (_transaction, videoId) => void this.announced.push(videoId),
    });
  }

  static async open(engine: Engine): Promise<RenditionWorld> {
    return new RenditionWorld(await openTestDatabase(engine));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle[Symbol.asyncDispose]();
  }

  inTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.handle.kysely.transaction().execute(work);
  }

  async video(overrides: Partial<Video> = {}): Promise<Video> {
    const at = new Date('2026-01-02T03:04:05.678Z');
    const video: Video = {
      ...{ id: uuidv7(), objectId: uuidv7(), ownerId: null, visibility: 'public', title: 'T' },
      ...{ description: '', filename: null, contentType: 'video/mp4', size: 1, sha256: null, version: 1 },
      ...{ createdAt: at, updatedAt: at },
      ...overrides,
    };
    await this.objects.open(video.objectId, 60_000);
    const chunks = [{ id: createChunkId(video.objectId, 0, random()), position: 1, length: 1, checksum: 1 }];
    await this.videos.insert(video, { size: 1, sha256: null, chunks, record: [] });
    return video;
  }

  /** An open object with chunks of these lengths noted below it. */
  async output(
    ...lengths: readonly number[]
  ): Promise<OpenOutput & { readonly chunks: readonly ChunkRef[] }> {
    const objectId = uuidv7();
    await this.objects.open(objectId, 60_000);
    const chunks = lengths.map((length, index) => ({
      ...{ id: createChunkId(objectId, index, random()), position: 2 ** 32 - 1 - index, length },
      checksum: 2 ** 32 - 1,
    }));
    for (const [index, chunk] of chunks.entries()) {
      await this.handle.kysely
        .insertInto('chunks')
        .values({ ...chunk, object_id: objectId, index })
        .execute();
    }
    return { objectId, size: lengths.reduce((sum, length) => sum + length, 0), chunks };
  }

  async rendition(videoId: string, overrides: Partial<Rendition> = {}): Promise<Omit<Rendition, 'isReady'>> {
    const rendition = { ...renditionOf(videoId), ...overrides };
    await this.inTransaction((transaction) => this.renditions.create(transaction, rendition));
    return rendition;
  }

  async add(renditionId: string, piece: Omit<RenditionPiece, 'object'>, output: OpenOutput): Promise<void> {
    await this.inTransaction((transaction) =>
      this.renditions.addPiece(transaction, renditionId, piece, output),
    );
  }

  async publish(renditionId: string): Promise<void> {
    await this.inTransaction((transaction) => this.renditions.publish(transaction, renditionId));
  }
}

export function renditionOf(videoId: string): Omit<Rendition, 'isReady'> {
  return {
    ...{
      id: uuidv7(),
      videoId,
      name: '720p',
      origin: 'encoded',
      createdAt: new Date('2026-01-02T03:04:06.789Z'),
    },
    media: { kind: 'video', codecs: 'avc1.64001f', width: 1280, height: 720, frameRate: 23.976 },
  };
}

export function pieceOf(lengths: readonly number[], overrides: Partial<RenditionPiece> = {}) {
  return {
    ...{ index: 0, init: new Uint8Array([1, 2, 3]), timescale: 12_800, lengths, servedLengths: null },
    durations: lengths.map((_, index) => 51_200 + index),
    ...overrides,
  };
}

function random(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(4));
}
