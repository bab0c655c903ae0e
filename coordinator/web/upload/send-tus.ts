import { Upload } from 'tus-js-client';
import { API } from '../api/client.ts';
import { Problem } from '../api/problem.ts';
import { renew } from '../api/renewal.ts';
import type { UploadEntry } from './entry.ts';
import type { SendHooks } from './send-file.ts';

const RETRY_MS = [0, 500, 1500, 3000];
const VIDEO_ID_HEADER = 'OrbitVids-Video-Id';

/** Sends the file through the coordinator by the tus protocol, and resolves with the video's id. */
export async function sendTus(file: File, entry: UploadEntry, hooks: SendHooks): Promise<string> {
  const { signal } = hooks;
  signal.throwIfAborted();
  let hasExpired = false;
  return await new Promise<string>((resolve, reject) => {
    const upload = new Upload(file, {
      endpoint: `${API}/uploads`,
      uploadUrl: entry.serverId,
      retryDelays: RETRY_MS,
      storeFingerprintForResuming: false,
      metadata: {
        filename: file.name,
        filetype: file.type,
        title: entry.title,
        visibility: 'private',
      },
      onBeforeRequest: async () => {
        if (!hasExpired) return;
        hasExpired = false;
        await renew(Date.now());
      },
      onShouldRetry: (error) => {
        const status = statusOf(error);
        if (status === 401) hasExpired = true;
        return status === 0 || status === 401 || status === 409 || status === 423 || status >= 500;
      },
      onUploadUrlAvailable: () => {
        if (upload.url !== null) void hooks.onServerId(upload.url);
      },
      onProgress: (sent) => hooks.onProgress(sent, sent),
      onSuccess: ({ lastResponse }) => {
        const id = lastResponse.getHeader(VIDEO_ID_HEADER);
        resolve(id ?? idIn(upload.url));
      },
      onError: (error) => reject(problemOf(error)),
    });
    signal.addEventListener(
      'abort',
      () => {
        void upload.abort();
        reject(signal.reason);
      },
      { once: true },
    );
    upload.start();
  });
}

interface TusError {
  readonly message: string;
  readonly originalResponse?: { getStatus(): number; getBody(): string } | null;
}

function statusOf(error: unknown): number {
  return (error as TusError).originalResponse?.getStatus() ?? 0;
}

function problemOf(error: unknown): Problem {
  const { originalResponse, message } = error as TusError;
  if (originalResponse == null) return new Problem(0, 'unreachable', message);
  try {
    const { code, detail } = JSON.parse(originalResponse.getBody()) as { code: string; detail: string };
    return new Problem(originalResponse.getStatus(), code, detail);
  } catch {
    return new Problem(originalResponse.getStatus(), `http_${originalResponse.getStatus()}`, message);
  }
}

/** A video has the id of its upload. */
function idIn(url: string | null): string {
  return url?.split('/').at(-1) ?? '';
}
