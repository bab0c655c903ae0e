import { v7 as uuidv7 } from 'uuid';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectAppender, ObjectStore } from '../chunks/object-store.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import type { Quotas } from '../videos/quotas.ts';
import type { VideoRecords } from '../videos/video-records.ts';
import type { VideoRepository } from '../videos/video-repository.ts';
import { UploadCompletion } from './completion.ts';
import { EXPIRY_INTERVAL_MS } from './limits.ts';
import { RunningHashes } from './running-hashes.ts';
import { UploadService } from './service.ts';
import { UploadLocks } from './upload-locks.ts';
import { UploadRepository } from './upload-repository.ts';

export interface UploadsParts {
  readonly database: Pick<DatabaseHandle, 'kysely' | 'notifications'>;
  readonly store: ObjectStore & ObjectAppender;
  readonly objects: Pick<ObjectRepository, 'abandon'>;
  readonly videos: Pick<VideoRepository, 'insert'>;
  readonly records: Pick<VideoRecords, 'encode'>;
  readonly quotas: Quotas;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly coordinatorId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the coordinator is to stop: uploads let go then, so that they go on elsewhere. */
  readonly stopping: AbortSignal;
  readonly expiryMs: number;
  readonly leaseMs: number;
  readonly uploadBytesMax: number;
}

export interface Uploads {
  readonly service: UploadService;
  readonly completion: UploadCompletion;
}

/** Puts resumable uploads together; what has to be closed goes on the stack. */
export async function openUploads(stack: AsyncDisposableStack, parts: UploadsParts): Promise<Uploads> {
  const { database, clock, logger, stopping, expiryMs } = parts;
  const createId = () => uuidv7();
  const repository = new UploadRepository(database.kysely, { expiryMs });
  const locks = stack.use(
    await UploadLocks.open({
      repository,
      notifications: database.notifications,
      holder: parts.coordinatorId,
      clock,
      logger,
    }),
  );
  const completion = new UploadCompletion({ ...parts, repository, createId });
  const hashes = new RunningHashes();
  const service = stack.use(new UploadService({ ...parts, repository, locks, completion, hashes, createId }));
  stopping.addEventListener('abort', () => locks.letGo(), { once: true });
  void repeat(clock, EXPIRY_INTERVAL_MS, stopping, async () => {
    try {
      await repository.expire();
    } catch (error) {
      logger.warn({ err: error }, 'expired uploads are not forgotten yet');
    }
  });
  return { service, completion };
}
