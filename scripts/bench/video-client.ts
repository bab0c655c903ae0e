import { createHash } from 'node:crypto';
import { ByteClient, type ByteResponse } from '../../lib/byte-client/byte-client.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import type { LoadTarget } from './load-plan.ts';

const IDLE_TIMEOUT_MS = 120_000;
const ANSWER_BYTES_MAX = 64 * 1024;

/** Uploads and reads videos of OrbitVids, for verifications and for clients that take their time. */
export class VideoClient implements AsyncDisposable {
  readonly #target: LoadTarget;
  readonly #client: ByteClient;
  readonly #signal: AbortSignal;

  /**
   * With `keepAlive` false every request has a connection of its own, and none is sent twice: what fails is
   * seen to fail.
   */
  constructor(target: LoadTarget, signal: AbortSignal, options: { readonly keepAlive: boolean }) {
    this.#target = target;
    this.#signal = signal;
    this.#client = new ByteClient({
      clock: systemClock,
      connectTimeoutMs: 10_000,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      maxIdlePerHost: options.keepAlive ? 64 : 0,
    });
  }

  /** Resolves with the new video's id. */
  async upload(body: Uint8Array): Promise<string> {
    const response = await this.#client.request({
      method: 'POST',
      url: this.#target.url + this.#target.uploadPath,
      headers: this.#target.headers,
      body,
      signal: this.#signal,
    });
    const text = await response.text(ANSWER_BYTES_MAX);
    if (response.status !== 201) throw new Error(`An upload was answered with ${response.status}: ${text}`);
    const video = JSON.parse(text) as { id: string; size: number; sha256: string };
    const sha256 = createHash('sha256').update(body).digest('hex');
    if (video.size !== body.length || video.sha256 !== sha256)
      throw new Error(`${body.length} bytes were stored as ${video.size} others.`);
    return video.id;
  }

  /** Asks for a video, or for what a Range header says of it; status and body are the caller's to look at. */
  read(id: string, range?: string): Promise<ByteResponse> {
    return this.#client.request({
      method: 'GET',
      url: this.#target.url + this.#target.contentPath.replace('{name}', id),
      headers: range === undefined ? {} : { range },
      signal: this.#signal,
    });
  }

  async delete(id: string): Promise<void> {
    const response = await this.#client.request({
      method: 'DELETE',
      url: this.#target.url + this.#target.deletePath.replace('{name}', id),
      headers: this.#target.headers,
      signal: this.#signal,
    });
    if (response.status !== 204) throw new Error(`DELETE was answered with ${response.status}.`);
  }

  /** The sum of a metric over its labels, or 0 where it does not exist. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.#target.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
    const lines = (await response.text()).split('\n');
    return lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}
