import { createReadStream, statSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { ImportReport } from '../../coordinator/catalog/schema.ts';

export interface ImportFileOptions {
  readonly file: string;
  /** Base URL of a coordinator. */
  readonly url: string;
  readonly token: string;
  readonly mode: ImportReport['mode'];
  readonly signal?: AbortSignal;
  /** Called as bytes are taken. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
}

export interface ImportFileResult {
  readonly status: number;
  /** Also of imports that failed, as far as there is one. */
  readonly report: ImportReport | undefined;
  /** What the server says went wrong. */
  readonly problem: string | undefined;
}

/** Sends a file to `POST /movies/import`. Nothing of it is held but what is on its way. */
export async function importFile(options: ImportFileOptions): Promise<ImportFileResult> {
  const { file, url, token, mode, signal, onProgress } = options;
  const totalBytes = statSync(file).size;
  const target = new URL(`/api/v1/movies/import?mode=${mode}`, url);
  const outgoing = (target.protocol === 'https:' ? secureRequest : request)(target, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': totalBytes,
    },
    ...(signal && { signal }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  answered.catch(() => {});
  let sentBytes = 0;
  const sending = pipeline(
    createReadStream(file, { highWaterMark: 256 * 1024 }),
    async function* count(pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        yield piece;
        sentBytes += piece.length;
        onProgress?.(sentBytes, totalBytes);
      }
    },
    outgoing,
  );
  // The server may refuse before it has everything; what it says counts.
  sending.catch(() => {});
  const response = await answered;
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  const json = JSON.parse(Buffer.concat(pieces).toString()) as ImportReport & {
    report?: ImportReport;
    detail?: string;
  };
  const status = response.statusCode ?? 0;
  if (status === 200) return { status, report: json, problem: undefined };
  return { status, report: json.report, problem: json.detail };
}
