import { randomUUID } from 'node:crypto';
import type { Logger } from '../lib/logging/logger.ts';
import type { NodeIdentity } from './identity.ts';

/** A place inside the stored data itself that keeps the data's id. */
export interface DataIdKeeper {
  /** Undefined when nothing was ever kept there, or nothing that can be read. */
  readonly dataId: string | undefined;
  /** Resolves when the id is on the disk. */
  setDataId(dataId: string): Promise<void>;
}

/**
 * Makes the identity file and the data name the same data id. As long as they do, a node that comes back holds what
 * it held before it went. When they differ, the data under the identity is not what it was (the directory was
 * emptied or restored, the index rebuilt, or `identity.setDataId` was called because chunks are lost), and both get a
 * new id, by which others recognise that they must not count on what this node once stored.
 */
export async function settleDataId(
  identity: NodeIdentity,
  kept: DataIdKeeper,
  logger: Logger,
): Promise<void> {
  if (kept.dataId === identity.dataId) return;
  const dataId = randomUUID();
  // Whichever of the two a crash keeps from being written, the next start finds them different again.
  await identity.setDataId(dataId);
  await kept.setDataId(dataId);
  if (identity.isNew && kept.dataId === undefined) return;
  logger.warn(
    { event: 'data_id_changed', dataId },
    'the data has a new id: the directory was emptied or restored, or lacks chunks that it held before',
  );
}
