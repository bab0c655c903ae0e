import { send } from '../api/client.ts';
import { unreachable } from '../api/problem.ts';
import type { UploadEntry } from './entry.ts';
import { isShortOfCopies, isUnreachable, sendDirect } from './send-direct.ts';
import { sendTus } from './send-tus.ts';

export interface SendHooks {
  readonly signal: AbortSignal;
  /** Bytes that have gone, and of these those that are stored for sure. */
  readonly onProgress: (sentBytes: number, storedBytes: number) => void;
  /** To be remembered before more is sent. */
  readonly onServerId: (id: string) => Promise<void>;
  /** The other way is tried from now on, from the beginning. */
  readonly onWay: (way: UploadEntry['way']) => Promise<UploadEntry>;
}

const HEALTH_TIMEOUT_MS = 4000;
/** So often a direct upload may break off before the other way is tried although something was stored. */
const BREAKS_MAX = 3;
const breaks = new Map<string, number>();

/**
 * Sends a file, straight to the storage nodes if they can be reached from here, and through the coordinator otherwise.
 * Rejects with Problem (`unreachable`: try again later), with UploadError, or with the signal's reason.
 */
export async function sendFile(file: File, entry: UploadEntry, hooks: SendHooks): Promise<string> {
  if (entry.way === 'tus') return await sendTus(file, entry, hooks);
  let storedBytes = 0;
  try {
    return await sendDirect(file, entry, {
      ...hooks,
      onProgress: (sent, stored) => {
        storedBytes = stored;
        hooks.onProgress(sent, stored);
      },
    });
  } catch (error) {
    const isIncomplete = isShortOfCopies(error);
    if (!(isIncomplete || isUnreachable(error)) || hooks.signal.aborted) throw error;
    if (!(await isServerThere())) throw unreachable(error);
    const broken = (breaks.get(entry.id) ?? 0) + 1;
    breaks.set(entry.id, broken);
    if (!isIncomplete && storedBytes > 0 && broken < BREAKS_MAX) throw unreachable(error);
    const next = await hooks.onWay('tus');
    return await sendTus(file, next, hooks);
  }
}

/** Whether the coordinator answers. */
export async function isServerThere(): Promise<boolean> {
  try {
    const response = await send('/healthz', { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    return response.ok;
  } catch {
    return false;
  }
}
