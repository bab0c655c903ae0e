import './schemas-without-eval.ts';

import { UploadError } from '../../../lib/upload-client/answers.ts';
import { uploadDirect } from '../../../lib/upload-client/direct-upload.ts';
import { send } from '../api/client.ts';
import type { UploadEntry } from './entry.ts';
import { fetchWithProgress } from './put-with-progress.ts';
import type { SendHooks } from './send-file.ts';

/** Parts under way at a time; each is as much memory as a part is long. */
const PARALLEL = 3;
/** Few tries: whoever waits sees that something is the matter, and the queue tries again by itself. */
const BACKOFF = { tries: 4, firstMs: 400, longestMs: 3000 };

/**
 * Sends the file straight to the storage nodes and resolves with the video's id. Until everything that is to be said of it
 * has been said, the video is private.
 */
export async function sendDirect(file: File, entry: UploadEntry, hooks: SendHooks): Promise<string> {
  const underWay = new Map<string, number>();
  let storedBytes = 0;
  const report = () => {
    const sent = [...underWay.values()].reduce((sum, bytes) => sum + bytes, storedBytes);
    hooks.onProgress(Math.min(sent, file.size), storedBytes);
  };
  const fetch = fetchWithProgress(send as typeof globalThis.fetch, (url, bytes) => {
    // A part that has arrived is counted as stored in a moment; without it now the bar would go back.
    if (bytes === 0) underWay.delete(url);
    else {
      underWay.set(url, bytes);
      report();
    }
  });
  const video = await uploadDirect(file, {
    url: location.origin,
    filename: file.name,
    contentType: file.type === '' ? undefined : file.type,
    title: entry.title,
    visibility: 'private',
    parallel: PARALLEL,
    backoff: BACKOFF,
    fetch,
    signal: hooks.signal,
    memory: {
      load: async () => entry.serverId,
      save: (id) => hooks.onServerId(id),
      // The video's id follows at once.
      clear: async () => {},
    },
    onProgress: (progress) => {
      storedBytes = progress.storedBytes;
      report();
    },
  });
  return video.id;
}

/** Whether the storage nodes themselves, and not the coordinator, may be what cannot be reached. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof UploadError && error.status === 0;
}

/** Whether parts cannot get the copies that they need, because too few of their own nodes are up; the coordinator knows others. */
export function isShortOfCopies(error: unknown): boolean {
  return error instanceof UploadError && error.code === 'parts_missing';
}
