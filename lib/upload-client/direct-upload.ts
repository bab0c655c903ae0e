import { z } from 'zod';
import {
  errorOf,
  type Part,
  type UploadAnswer,
  UploadError,
  type UploadedVideo,
  uploadSchema,
  videoSchema,
} from './answers.ts';
import { type Backoff, retrying, sleep } from './retry.ts';

/** Where an upload that is under way is remembered, so that another run goes on with it: a file, or `localStorage`. */
export interface UploadMemory {
  load(): Promise<string | null>;
  save(uploadId: string): Promise<void>;
  clear(): Promise<void>;
}

export interface UploadProgress {
  /** Acknowledged by the storage nodes. */
  readonly storedBytes: number;
  readonly totalBytes: number;
}

export interface DirectUploadOptions {
  /** Base URL of a coordinator, without the path of the API. */
  readonly url: string;
  /** An access token, an API key or the admin token; without one the browser's cookies count. */
  readonly token?: string | undefined;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly visibility?: 'public' | 'unlisted' | 'private' | undefined;
  /** Hex. The server then verifies it before it says that the upload is complete. */
  readonly sha256?: string | undefined;
  /** Parts sent at the same time; default 4. Each takes as much memory as a part is long. */
  readonly parallel?: number | undefined;
  readonly memory?: UploadMemory | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How often each request is tried, and how long to wait in between. */
  readonly backoff?: Backoff | undefined;
  /** For tests. */
  readonly fetch?: typeof fetch | undefined;
}

const PARALLEL_DEFAULT = 4;
/** Longest time for one part, and for an answer of the API. */
const PART_TIMEOUT_MS = 150_000;
const ANSWER_TIMEOUT_MS = 60_000;
/** How often the server may say that parts are missing which it had acknowledged. */
const ROUNDS_MAX = 5;
const API = '/api/v1/uploads/direct';

/** 202 says that it takes longer. */
const completionSchema = z.union([videoSchema, z.object({ state: z.literal('completing') })]);
type Schema<Answer> = z.ZodType<Answer>;

/**
 * Sends a file straight to the storage nodes, several parts at a time, and resolves with the video when it is complete.
 * Parts that fail are sent again, with fresh URLs, so that another node can take over. With a memory, an upload that was
 * interrupted goes on where it was. Rejects with UploadError when the server refuses or trying again was in vain, or with
 * the signal's reason; then the upload can be gone on with. Needs nothing but `fetch` and `Blob`.
 */
export async function uploadDirect(file: Blob, options: DirectUploadOptions): Promise<UploadedVideo> {
  return await new DirectUploader(file, options).run();
}

class DirectUploader {
  readonly #file: Blob;
  readonly #options: DirectUploadOptions;
  readonly #fetch: typeof fetch;
  #storedBytes = 0;

  constructor(file: Blob, options: DirectUploadOptions) {
    this.#file = file;
    this.#options = options;
    this.#fetch = options.fetch ?? ((...args) => fetch(...args));
  }

  async run(): Promise<UploadedVideo> {
    let upload = await this.#open();
    for (let round = 1; ; round++) {
      if (upload.state === 'open') await this.#sendParts(upload);
      const video = await this.#complete(upload.id, round);
      if (video !== undefined) {
        await this.#options.memory?.clear();
        return video;
      }
      // A node that had acknowledged a part has lost it.
      upload = await this.#ask('GET', `${API}/${upload.id}`, uploadSchema);
    }
  }

  /** The upload that an earlier run began, or a new one. */
  async #open(): Promise<UploadAnswer> {
    const { memory, filename, contentType, title, description, visibility, sha256 } = this.#options;
    const known = await memory?.load();
    if (known != null) {
      try {
        const upload = await this.#ask('GET', `${API}/${encodeURIComponent(known)}`, uploadSchema);
        if (upload.size === this.#file.size) return upload;
      } catch (error) {
        if (!(error instanceof UploadError) || error.status !== 404) throw error;
      }
    }
    const body = { size: this.#file.size, filename, contentType, title, description, visibility, sha256 };
    const upload = await this.#ask('POST', API, uploadSchema, body);
    await memory?.save(upload.id);
    return upload;
  }

  /** Sends whatever is missing, in order, so many parts at a time. The first failure ends all. */
  async #sendParts(upload: UploadAnswer): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...(this.#options.signal ? [this.#options.signal] : [])]);
    const missing = this.#missingParts(upload);
    this.#storedBytes = 0;
    let behind = 0;
    const work = async () => {
      for (;;) {
        const { value: part, done } = await missing.next();
        if (done === true) return;
        // What lies between two missing parts is stored already.
        this.#report(part.offset - behind);
        behind = part.offset + part.length;
        await this.#sendPart(upload.id, part, signal);
        this.#report(part.length);
      }
    };
    const workers = Array.from({ length: this.#options.parallel ?? PARALLEL_DEFAULT }, work);
    try {
      await Promise.all(workers);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
    this.#report(this.#file.size - behind);
  }

  async *#missingParts(upload: UploadAnswer): AsyncGenerator<Part, undefined> {
    let page = upload;
    for (;;) {
      yield* page.parts.items;
      const { nextCursor } = page.parts;
      if (nextCursor === null) return undefined;
      page = await this.#ask('GET', `${API}/${upload.id}?cursor=${nextCursor}`, uploadSchema);
    }
  }

  async #sendPart(uploadId: string, part: Part, signal: AbortSignal): Promise<void> {
    let url: string | undefined = part.url;
    const bytes = await this.#file.slice(part.offset, part.offset + part.length).arrayBuffer();
    const digest = await digestOf(bytes);
    await retrying(this.#options.backoff, signal, async () => {
      url ??= await this.#freshUrl(uploadId, part.index);
      // Stored after all: only the answer was lost.
      if (url === undefined) return;
      const current = url;
      url = undefined;
      const response = await this.#request(current, {
        method: 'PUT',
        body: bytes,
        headers: digest === undefined ? {} : { 'content-digest': `sha-256=:${digest}:` },
        signal: AbortSignal.any([signal, AbortSignal.timeout(PART_TIMEOUT_MS)]),
      });
      if (response.ok) {
        await response.arrayBuffer();
        return;
      }
      const error = await errorOf(response);
      // A URL that is out of date, or whose node has left, and bytes that were damaged on their way: try again.
      const isPassing = [401, 403, 422].includes(error.status);
      throw isPassing ? new UploadError(error.message, { status: 0, code: error.code, cause: error }) : error;
    });
  }

  /** Undefined when the part is not missing. */
  async #freshUrl(uploadId: string, index: number): Promise<string | undefined> {
    const page = await this.#askOnce('GET', `${API}/${uploadId}?cursor=${index}&limit=1`, uploadSchema);
    const [first] = page.parts.items;
    return first?.index === index ? first.url : undefined;
  }

  /** Undefined when parts are missing. */
  async #complete(uploadId: string, round: number): Promise<UploadedVideo | undefined> {
    for (;;) {
      try {
        const answer = await this.#ask('POST', `${API}/${uploadId}/complete`, completionSchema);
        if ('title' in answer) return answer;
        await sleep(1000, this.#options.signal);
      } catch (error) {
        const isMissing = error instanceof UploadError && error.code === 'parts_missing';
        if (isMissing && round < ROUNDS_MAX) return undefined;
        throw error;
      }
    }
  }

  #ask<Answer>(method: string, path: string, schema: Schema<Answer>, body?: unknown): Promise<Answer> {
    const { backoff, signal } = this.#options;
    return retrying(backoff, signal, () => this.#askOnce(method, path, schema, body));
  }

  async #askOnce<Answer>(
    method: string,
    path: string,
    schema: Schema<Answer>,
    body?: unknown,
  ): Promise<Answer> {
    const { url, token, signal } = this.#options;
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const response = await this.#request(url.replace(/\/+$/, '') + path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (!response.ok) throw await errorOf(response);
    return schema.parse(await response.json());
  }

  async #request(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(url, init);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw new UploadError('The server cannot be reached.', { status: 0, code: '', cause: error });
    }
  }

  #report(bytes: number): void {
    this.#storedBytes += bytes;
    if (bytes === 0) return;
    this.#options.onProgress?.({ storedBytes: this.#storedBytes, totalBytes: this.#file.size });
  }
}

/** SHA-256 in base64; undefined where it cannot be computed, as on web pages that came without encryption. */
async function digestOf(bytes: ArrayBuffer): Promise<string | undefined> {
  if (globalThis.crypto?.subtle === undefined) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return btoa(String.fromCharCode(...digest));
}
