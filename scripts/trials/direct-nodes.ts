import { z } from 'zod';
import { type ChunkEntryLine, type NodeStats, nodeStatsSchema } from '../../lib/node-api/schema.ts';
import { chunkTarget, NEXT_CURSOR_HEADER, parsePosition, rangeTarget } from '../../lib/node-api/targets.ts';
import { deriveKey, type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const SIGNATURE_LIFETIME_S = 120;
const PAGE_CHUNKS = 10_000;

/** Positions, both included. */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

export const WHOLE_RING: Interval = { first: 0, last: 0xffff_ffff };

const scrubSchema = z.looseObject({
  state: z.string(),
  passStartedAt: z.string().nullable(),
  lastFinishedAt: z.string().nullable(),
  lastFinishedStartedAt: z.string().nullable(),
  checkedChunks: z.number(),
  checkedBytes: z.number(),
  foundCorrupt: z.number(),
});
export type ScrubReport = z.infer<typeof scrubSchema>;

/** Looks straight into storage nodes, as nobody but a coordinator does otherwise. */
export class DirectNodes {
  readonly #key: SigningKey;

  constructor(clusterSecret: string) {
    this.#key = deriveKey(clusterSecret, 'storage-node');
  }

  /** A signed request; every status is the caller's to look at. */
  request(url: string, method: string, target: string, body?: unknown): Promise<Response> {
    const expiresAtS = Math.floor(Date.now() / 1000) + SIGNATURE_LIFETIME_S;
    return fetch(url + signTarget(this.#key, { method, target, expiresAtS }), {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  }

  /** Everything that the node lists in the interval. */
  async list(url: string, { first, last }: Interval = WHOLE_RING): Promise<ChunkEntryLine[]> {
    const entries: ChunkEntryLine[] = [];
    for (let after: string | null = null; ; ) {
      const query = new URLSearchParams({ limit: String(PAGE_CHUNKS) });
      if (after !== null) query.set('after', after);
      const response = await this.request(url, 'GET', `${rangeTarget(first, last)}?${query}`);
      const text = await expectOk(response, `a listing of ${url}`);
      for (const line of text.split('\n')) {
        // Not parsed by a schema: there are many, and the node's own tests check their form.
        if (line !== '') entries.push(JSON.parse(line) as ChunkEntryLine);
      }
      after = response.headers.get(NEXT_CURSOR_HEADER);
      if (after === null) return entries;
    }
  }

  async stats(url: string): Promise<NodeStats> {
    const text = await expectOk(await this.request(url, 'GET', '/stats'), `the state of ${url}`);
    return nodeStatsSchema.parse(JSON.parse(text));
  }

  /** The chunk as the node serves it; undefined when it does not. */
  async chunk(
    url: string,
    { position, id }: Pick<ChunkEntryLine, 'position' | 'id'>,
  ): Promise<Buffer | undefined> {
    const response = await this.request(url, 'GET', chunkTarget(parsePosition(position)!, id));
    if (!response.ok) {
      await response.body?.cancel();
      return undefined;
    }
    // A copy that is found damaged in the middle ends with a cut connection.
    return await response.arrayBuffer().then(Buffer.from, () => undefined);
  }

  async scrub(url: string): Promise<ScrubReport> {
    const text = await expectOk(await this.request(url, 'GET', '/scrub'), `the scrub of ${url}`);
    return scrubSchema.parse(JSON.parse(text));
  }

  /** Begins a new pass over everything the node stores. */
  async startScrub(url: string): Promise<void> {
    await expectOk(
      await this.request(url, 'POST', '/scrub', { action: 'start' }),
      `the start of a scrub of ${url}`,
    );
  }

  /** The sum of a metric of the node over its labels, or 0 where it does not exist. */
  async metric(url: string, name: string): Promise<number> {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const lines = (await expectOk(response, `the metrics of ${url}`)).split('\n');
    return lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }
}

async function expectOk(response: Response, what: string): Promise<string> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${what} was refused with ${response.status}: ${text.slice(0, 300)}`);
  return text;
}
