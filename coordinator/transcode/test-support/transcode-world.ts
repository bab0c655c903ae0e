import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { v7 as uuidv7 } from 'uuid';
import { systemClock } from '../../../lib/clock/clock.ts';
import { positionOf } from '../../../lib/hashring/index.ts';
import type { Piece, Probe, Task, TaskResult } from '../../../lib/worker-api/tasks.ts';
import type { ObjectAppender } from '../../chunks/object-store.ts';
import type { DatabaseHandle, Transaction } from '../../database/database.ts';
import { Leases } from '../../database/leases.ts';
import { silentLogger } from '../../database/test-support/silent-logger.ts';
import { createChunkId } from '../../objects/chunk-id.ts';
import { SqlRenditionRepository } from '../../renditions/sql-rendition-repository.ts';
import { SqlVideoRepository } from '../../videos/sql-video-repository.ts';
import type { VideoEvent } from '../../videos/video-event.ts';
import type { Video } from '../../videos/video-repository.ts';
import { JobProgress } from '../job-progress.ts';
import { JobRepository } from '../job-repository.ts';
import { JobService } from '../job-service.ts';
import { MediaRepository } from '../media-repository.ts';
import { OutputRepository } from '../output-repository.ts';
import { ResultCommit } from '../result-commit.ts';
import { TASKS_CHANNEL } from '../task-channel.ts';
import { TaskRepository } from '../task-repository.ts';
import { WorkerRepository } from '../worker-repository.ts';
import { type LeaseName, WorkerService } from '../worker-service.ts';

/** What a task leased in a test is. */
export interface Leased extends LeaseName {
  readonly task: Task;
}

/** A coordinator's transcoding on a database, with storage nodes that take everything. */
export class TranscodeWorld {
  readonly events: VideoEvent[] = [];
  readonly videos: SqlVideoRepository;
  readonly renditions: SqlRenditionRepository;
  readonly media: MediaRepository;
  readonly jobs: JobRepository;
  readonly jobService: JobService;
  readonly service: WorkerService;
  readonly worker = { id: uuidv7(), name: 'worker-of-the-tests', concurrency: 1 };
  readonly #database: DatabaseHandle;
  readonly #outputs: OutputRepository;
  /** The next addition is cut after so many bytes. */
  cutAfterBytes = Number.POSITIVE_INFINITY;

  private constructor(database: DatabaseHandle, leaseMs: number, keepsSource: boolean) {
    this.#database = database;
    const { kysely, notifications } = database;
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      kysely.transaction().execute(work);
    const createId = () => uuidv7();
    const onEvent = async (transaction: Transaction, event: VideoEvent) => {
      this.events.push(event);
      if (event.type === 'video.uploaded')
        await this.jobService.begin(transaction, event.video.id, { isUrgent: true });
    };
    this.videos = new SqlVideoRepository(kysely, { onEvent });
    this.renditions = new SqlRenditionRepository({ database: kysely, announceChange: async () => {} });
    this.media = new MediaRepository(kysely);
    this.jobs = new JobRepository(kysely);
    const outputs = new OutputRepository(kysely);
    this.#outputs = outputs;
    const tasks = new TaskRepository(kysely, { leaseMs });
    const { jobs, media, renditions, videos } = this;
    const progress = new JobProgress({ jobs, media, renditions, videos, onEvent });
    const announceTasks = (transaction?: Transaction) =>
      notifications.publish(TASKS_CHANNEL, '', transaction);
    const shared = { jobs, tasks, outputs, progress, inTransaction, announceTasks, createId };
    const common = { ...shared, clock: systemClock, logger: silentLogger };
    const leases = new Leases(kysely, uuidv7());
    this.jobService = new JobService({ ...common, renditions, leases, keepsSource });
    this.service = new WorkerService({
      ...common,
      workers: new WorkerRepository(kysely),
      results: new ResultCommit({ jobs, tasks, outputs, media, renditions, createId }),
      store: this.#store(),
      sourceUrlOf: (videoId) => `/videos/${videoId}`,
      outputLeaseMs: 60_000,
    });
  }

  static async open(
    database: DatabaseHandle,
    { leaseMs = 60_000, keepsSource = true } = {},
  ): Promise<TranscodeWorld> {
    const world = new TranscodeWorld(database, leaseMs, keepsSource);
    await database.notifications.subscribe(TASKS_CHANNEL, () => world.service.wake());
    return world;
  }

  get kysely() {
    return this.#database.kysely;
  }

  /** A video whose bytes no node has. */
  async addVideo(ownerId: string | null = null): Promise<string> {
    const id = uuidv7();
    const objectId = uuidv7();
    const at = new Date();
    await this.kysely
      .insertInto('objects')
      .values({
        id: objectId,
        state: 'open',
        size: null,
        sha256: null,
        lease_expires_at: new Date(Date.now() + 60_000),
      })
      .execute();
    const video: Video = {
      ...{ id, objectId, ownerId, visibility: 'public', title: 'A film', description: '', filename: null },
      ...{ contentType: 'video/mp4', size: 4, sha256: null, version: 1, createdAt: at, updatedAt: at },
    };
    await this.videos.insert(video, { size: 4, sha256: null, chunks: [], record: [] });
    return id;
  }

  /** Null when there is no task. */
  async lease(waitMs = 0): Promise<Leased | null> {
    const { signal } = new AbortController();
    const lease = await this.service.lease({ worker: this.worker, kinds: null, waitMs, signal });
    return lease && { task: lease.task, taskId: lease.task.taskId, fence: lease.fence };
  }

  async leaseOf<Kind extends Task['kind']>(
    kind: Kind,
  ): Promise<Leased & { task: Extract<Task, { kind: Kind }> }> {
    const lease = await this.lease();
    if (lease?.task.kind !== kind) throw new Error(`expected ${kind}, got ${lease?.task.kind}`);
    return lease as Leased & { task: Extract<Task, { kind: Kind }> };
  }

  /** Adds text to an output. */
  async append(lease: LeaseName, name: string, offset: number, content: string): Promise<number> {
    const body = { offset, bytes: Buffer.byteLength(content), source: Readable.from([Buffer.from(content)]) };
    return await this.service.append(lease, name, { ...body, signal: new AbortController().signal });
  }

  /** Writes an output of segments of ten bytes. */
  async write(lease: LeaseName, output: string, segments: number): Promise<Piece> {
    await this.service.openOutput(lease, { name: output, contentType: 'video/mp4' });
    await this.append(lease, output, 0, '0123456789'.repeat(segments));
    const of = (value: number) => Array.from({ length: segments }, () => value);
    return { output, init: 'aW5pdA==', timescale: 1000, durations: of(4000), lengths: of(10) };
  }

  /** Inspects a video: playable or not, with sound or without. */
  async inspect(options: {
    readonly seconds?: number;
    readonly isPlayable?: boolean;
    readonly hasAudio?: boolean;
  }) {
    const lease = await this.leaseOf('inspect');
    await this.service.complete(lease, await this.inspection(lease, options));
    return lease;
  }

  async inspection(
    lease: LeaseName,
    { seconds = 16, isPlayable = false, hasAudio = false },
  ): Promise<TaskResult & { kind: 'inspect' }> {
    const segments = seconds / 4;
    const boundaries = Array.from({ length: segments + 1 }, (_, index) => index * 4000);
    const base = { kind: 'inspect' as const, copyable: { video: false, audio: [] } };
    const probe = probeOf(seconds, hasAudio);
    const found = { ...base, probe, plan: { timescale: 1000, boundaries } };
    if (!isPlayable) return { ...found, video: null, audio: [] };
    const video = { name: '480p', format: VIDEO_FORMAT, piece: await this.write(lease, 'video', segments) };
    if (!hasAudio) return { ...found, video, audio: [] };
    const piece = await this.write(lease, 'audio', segments);
    return { ...found, video, audio: [{ name: 'a', track: 0, format: AUDIO_FORMAT, piece }] };
  }

  /** What a task that was leased makes, as it should be. */
  async resultOf({ task, taskId, fence }: Leased): Promise<TaskResult> {
    const lease = { taskId, fence };
    switch (task.kind) {
      case 'inspect':
        return await this.inspection(lease, {});
      case 'encode': {
        const videos = [];
        for (const { name } of task.rungs) {
          const piece = await this.write(lease, name, task.segmentCount);
          videos.push({ name, format: VIDEO_FORMAT, piece });
        }
        return { kind: 'encode', videos };
      }
      case 'audio': {
        const piece = await this.write(lease, 'audio', 4);
        return { kind: 'audio', audio: { name: 'a', track: task.track, format: AUDIO_FORMAT, piece } };
      }
      case 'pictures': {
        await this.write(lease, 'poster', 1);
        const poster = { output: 'poster', name: 'poster.jpg', contentType: 'image/jpeg' as const };
        return { kind: 'pictures', pictures: [{ ...poster, width: 640, height: 480 }] };
      }
      case 'copy': {
        const { probe } = task;
        const segments = probe.durationSeconds / 4;
        const [track] = task.audio;
        const boundaries = Array.from({ length: segments + 1 }, (_, index) => index * 4000);
        const sound = async (track: number) => ({
          ...{ name: 'a', track, format: AUDIO_FORMAT, piece: await this.write(lease, 'audio', segments) },
        });
        const pictures = async () => ({
          ...{ name: '480p', format: VIDEO_FORMAT, piece: await this.write(lease, 'video', segments) },
        });
        return {
          kind: 'copy',
          plan: task.video ? { timescale: 1000, boundaries } : null,
          video: task.video ? await pictures() : null,
          audio: track === undefined ? [] : [await sound(track)],
        };
      }
    }
  }

  /** Does all tasks that there are; returns their kinds. */
  async work(): Promise<string[]> {
    const kinds: string[] = [];
    for (let lease = await this.lease(); lease !== null; lease = await this.lease()) {
      kinds.push(lease.task.kind);
      await this.service.complete(lease, await this.resultOf(lease));
    }
    return kinds;
  }

  /** What one task has written cannot be given up any more, as long as nobody mends it. */
  failTasksOf(taskId: string): { readonly mend: () => void } {
    const outputs = this.#outputs;
    const abandon = outputs.abandon.bind(outputs);
    outputs.abandon = async (transaction, taskIds) => {
      if (taskIds.includes(taskId)) throw new Error('the row is damaged');
      await abandon(transaction, taskIds);
    };
    return {
      mend: () => {
        outputs.abandon = abandon;
      },
    };
  }

  async statusOf(videoId: string) {
    return (await this.media.of([videoId])).get(videoId)!;
  }

  async jobOf(videoId: string) {
    const { jobs } = await this.jobService.list({ limit: 1, videoId });
    return jobs[0]!;
  }

  /** The bytes of chunks go nowhere. */
  #store(): ObjectAppender {
    return {
      append: async (objectId, source, { firstIndex, hash, verify, persist }) => {
        const bytes = Buffer.from(await text(source));
        const kept = bytes.subarray(0, this.cutAfterBytes);
        hash.update(bytes);
        verify?.();
        const id = createChunkId(objectId, firstIndex, randomBytes(4));
        const checksum = createHash('sha256').update(kept).digest().readUInt32BE();
        await persist([{ id, position: positionOf(id), length: kept.length, checksum }]);
        if (kept.length < bytes.length) throw new Error('the nodes have gone');
        return { bytes: bytes.length };
      },
    };
  }
}

const VIDEO_FORMAT = { codecs: 'avc1.64001e', width: 640, height: 480, frameRate: 25 };
const AUDIO_FORMAT = { codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 };

function probeOf(durationSeconds: number, hasAudio: boolean): Probe {
  return {
    ...{ container: 'mov,mp4,m4a,3gp,3g2,mj2', durationSeconds, sizeBytes: 4, bitRate: null },
    video: {
      ...{ codec: 'h264', profile: 'High', width: 640, height: 480, rotation: 0, pixelAspect: 1 },
      ...{ frameRate: 25, isVariableFrameRate: false, bitDepth: 8, range: 'sdr', bitRate: null },
    },
    audio: hasAudio
      ? [
          {
            ...{ index: 0, codec: 'aac', channels: 2, sampleRate: 48_000, language: 'en', title: null },
            ...{ isDefault: true, bitRate: null },
          },
        ]
      : [],
  };
}
