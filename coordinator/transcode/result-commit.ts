import { AppError } from '../../lib/errors/app-error.ts';
import type { MadeAudio, MadeVideo, Piece, ResultOf, TaskResult } from '../../lib/worker-api/tasks.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { invalidRequest } from '../parse-fields.ts';
import type { Rendition, RenditionOrigin, RenditionRepository } from '../renditions/rendition.ts';
import type { Plan } from './job.ts';
import type { JobRepository } from './job-repository.ts';
import type { MediaRepository } from './media-repository.ts';
import type { Output, OutputRepository } from './output-repository.ts';
import { audioName, planAfterCopy, planAfterInspect, type Rank } from './planner.ts';
import type { HeldTask, LockedJob, TaskRepository } from './task-repository.ts';

export interface ResultCommitOptions {
  readonly jobs: JobRepository;
  readonly tasks: TaskRepository;
  readonly outputs: OutputRepository;
  readonly media: MediaRepository;
  readonly renditions: Pick<RenditionRepository, 'create' | 'addPiece' | 'putPicture' | 'discard'>;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
}

/**
 * Stores what a task has made, and queues what follows from it, inside the transaction that holds the task. Throws
 * `invalid_request` when the result is not what the task asked for, and `upload_expired` when an output was given up while
 * its worker could not be heard; nothing of it may be committed then.
 */
export class ResultCommit {
  readonly #options: ResultCommitOptions;

  constructor(options: ResultCommitOptions) {
    this.#options = options;
  }

  async apply(transaction: Transaction, task: HeldTask, result: TaskResult, at: Date): Promise<void> {
    if (result.kind !== task.spec.kind) throw invalid('kind', `the task is of kind ${task.spec.kind}`);
    const { outputs, tasks } = this.#options;
    const all = await outputs.all(transaction, task.id, task.fence);
    const enqueue = (plan: Plan) => this.enqueue(transaction, task.job, plan);
    const commit = new Commit({ ...this.#options, enqueue }, transaction, task, all, at);
    await commit.apply(result);
    await outputs.abandon(transaction, [task.id]);
    await tasks.complete(transaction, task.id);
  }

  /** Queues what is to be done next for a job that is locked. */
  async enqueue(transaction: Transaction, job: LockedJob, plan: Plan): Promise<void> {
    const { jobs, tasks, renditions, createId } = this.#options;
    if (job.source === 'drop') {
      // What is played out of the source until something stands in its place has that one's name. Players keep it if it is
      // published, and the job goes on with the other one.
      const names = plan.renditions.map(({ name }) => name);
      await renditions.discard(transaction, await jobs.forgetRenditions(transaction, job.id, names));
    }
    const withId = <One>(one: One) => ({ ...one, id: createId() });
    await jobs.insertRenditions(transaction, job.id, plan.renditions.map(withId));
    await tasks.insert(transaction, job.id, plan.tasks.map(withId));
  }
}

interface CommitOptions extends ResultCommitOptions {
  readonly enqueue: (plan: Plan) => Promise<void>;
}

/** One result on its way. */
class Commit {
  readonly #options: CommitOptions;
  readonly #transaction: Transaction;
  readonly #task: HeldTask;
  readonly #job: LockedJob;
  readonly #outputs: ReadonlyMap<string, Output>;
  readonly #taken = new Set<string>();
  readonly #at: Date;

  constructor(
    options: CommitOptions,
    transaction: Transaction,
    task: HeldTask,
    outputs: readonly Output[],
    at: Date,
  ) {
    this.#options = options;
    this.#transaction = transaction;
    this.#task = task;
    this.#job = task.job;
    this.#outputs = new Map(outputs.map((output) => [output.name, output]));
    this.#at = at;
  }

  async apply(result: TaskResult): Promise<void> {
    switch (result.kind) {
      case 'inspect':
        return await this.#inspected(result);
      case 'copy':
        return await this.#copied(result);
      case 'encode':
        return await this.#encoded(result);
      case 'audio': {
        const { spec } = this.#task;
        if (spec.kind === 'audio' && result.audio.track !== spec.track) {
          throw invalid('result.audio.track', `the task is about track ${spec.track}`);
        }
        return await this.#addAudio(result.audio, 'encoded', 0);
      }
      case 'pictures':
        return await this.#addPictures(result);
    }
  }

  async #inspected(result: ResultOf<'inspect'>): Promise<void> {
    const { jobs, media } = this.#options;
    const { probe, plan } = result;
    if (plan !== null && !isAscending(plan.boundaries)) {
      throw invalid('result.plan.boundaries', 'they do not ascend from 0');
    }
    await jobs.update(this.#transaction, this.#job.id, {
      probe: JSON.stringify(probe),
      ...(plan !== null && { plan: JSON.stringify(plan) }),
    });
    await media.setProbe(this.#transaction, this.#job.video_id, probe);
    this.#job.probe = probe;
    this.#job.plan = plan;
    const dropsSource = this.#job.source === 'drop';
    await this.#enqueue(planAfterInspect(result, this.#rank(probe.durationSeconds), { dropsSource }));
    await this.#addWhole(result, 'virtual');
  }

  async #copied(result: ResultOf<'copy'>): Promise<void> {
    const { jobs } = this.#options;
    const { probe } = this.#job;
    if (probe === null) throw new Error('a copy of a source that was not inspected');
    if (result.plan !== null) {
      if (!isAscending(result.plan.boundaries)) {
        throw invalid('result.plan.boundaries', 'they do not ascend from 0');
      }
      await jobs.update(this.#transaction, this.#job.id, { plan: JSON.stringify(result.plan) });
    }
    const rank = this.#rank(probe.durationSeconds);
    await this.#enqueue(planAfterCopy(result, { probe, plan: this.#job.plan }, rank));
    await this.#addWhole(result, 'copied');
  }

  async #encoded(result: ResultOf<'encode'>): Promise<void> {
    const { spec } = this.#task;
    if (spec.kind !== 'encode') return;
    const wanted = new Set(spec.rungs.map(({ name }) => name));
    for (const [index, video] of result.videos.entries()) {
      if (!wanted.delete(video.name)) {
        throw invalid(`result.videos.${index}.name`, 'not asked for, or there already');
      }
      if (video.piece.durations.length !== spec.segmentCount) {
        throw invalid(`result.videos.${index}.piece.durations`, `expected ${spec.segmentCount} segments`);
      }
      await this.#addVideo(video, 'encoded', spec.piece);
    }
    if (wanted.size > 0) throw invalid('result.videos', `${[...wanted].join(', ')} is missing`);
  }

  async #addWhole(
    { video, audio }: { readonly video: MadeVideo | null; readonly audio: readonly MadeAudio[] },
    origin: RenditionOrigin,
  ): Promise<void> {
    for (const one of audio) await this.#addAudio(one, origin, 0);
    if (video !== null) await this.#addVideo(video, origin, 0);
  }

  async #addVideo({ name, format, piece }: MadeVideo, origin: RenditionOrigin, index: number): Promise<void> {
    await this.#addPiece(name, { kind: 'video', ...format }, origin, index, piece);
  }

  async #addAudio(
    { track, format, piece }: MadeAudio,
    origin: RenditionOrigin,
    index: number,
  ): Promise<void> {
    const source = this.#job.probe?.audio.find((one) => one.index === track);
    if (source === undefined) throw invalid('result.audio.track', `the source has no track ${track}`);
    const { language, title: label, isDefault } = source;
    const media = { kind: 'audio' as const, track, language, label, isDefault, ...format };
    await this.#addPiece(audioName(track), media, origin, index, piece);
  }

  async #addPiece(
    name: string,
    media: Rendition['media'],
    origin: RenditionOrigin,
    index: number,
    piece: Piece,
  ): Promise<void> {
    const { renditions } = this.#options;
    const found = await this.#transaction
      .selectFrom('transcode_renditions')
      .selectAll()
      .where('job_id', '=', this.#job.id)
      .where('name', '=', name)
      .executeTakeFirst();
    if (found === undefined || found.kind !== media.kind) throw invalid('result', `${name} is not asked for`);
    const { rendition_id: id } = found;
    if (!found.is_created) {
      const videoId = this.#job.video_id;
      await renditions.create(this.#transaction, { id, videoId, name, origin, media, createdAt: this.#at });
    }
    const { init, timescale, durations, lengths, servedLengths = null } = piece;
    const stored = {
      ...{ index, timescale, durations, lengths, servedLengths },
      init: Buffer.from(init, 'base64'),
    };
    await renditions.addPiece(this.#transaction, id, stored, this.#takeOutput(piece.output));
    await this.#transaction
      .updateTable('transcode_renditions')
      .set((eb) => ({ is_created: true, pieces_done: eb('pieces_done', '+', 1) }))
      .where('job_id', '=', this.#job.id)
      .where('name', '=', name)
      .execute();
  }

  async #addPictures({ pictures }: ResultOf<'pictures'>): Promise<void> {
    const { renditions } = this.#options;
    for (const { output, name, contentType, width, height } of pictures) {
      const picture = { videoId: this.#job.video_id, name, contentType, width, height, createdAt: this.#at };
      await renditions.putPicture(this.#transaction, picture, this.#takeOutput(output));
    }
  }

  /** Each output is one piece or one picture. */
  #takeOutput(name: string): { readonly objectId: string; readonly size: number } {
    const output = this.#outputs.get(name);
    if (output === undefined) throw outputGone(name);
    if (output.size === 0 || this.#taken.has(name)) {
      throw invalid('result', `there is nothing in the output ${name}, or it is used twice`);
    }
    this.#taken.add(name);
    return output;
  }

  #rank(durationSeconds: number): Rank {
    const { created_at, is_urgent } = this.#job;
    return { createdAtS: created_at.getTime() / 1000, durationSeconds, isUrgent: is_urgent };
  }

  async #enqueue(plan: Plan): Promise<void> {
    const names = new Set(plan.renditions.map(({ name }) => name));
    if (names.size < plan.renditions.length) throw invalid('result', 'two renditions have one name');
    await this.#options.enqueue(plan);
  }
}

/** Who could not be heard for longer than outputs are kept has made it for nothing, but did nothing wrong. */
function outputGone(name: string): AppError {
  return new AppError<ErrorCode>('upload_expired', `There is no output ${name}, or it was given up.`);
}

function isAscending(boundaries: readonly number[]): boolean {
  return boundaries.every((boundary, index) =>
    index === 0 ? boundary === 0 : boundary > boundaries[index - 1]!,
  );
}

function invalid(field: string, message: string) {
  return invalidRequest([{ field, message }]);
}
