import { quarantinedChunkSchema } from '../../lib/node-api/schema.ts';
import { NEXT_CURSOR_HEADER, parsePosition, QUARANTINE_TARGET } from '../../lib/node-api/targets.ts';
import { PROBE_TIMEOUT_MS } from '../cluster/limits.ts';
import { type NodeRequests, refused, unreachable } from '../cluster/node-requests.ts';
import { QUARANTINE_BYTES_MAX, QUARANTINE_PAGE } from './limits.ts';

export interface QuarantinedChunk {
  readonly position: number;
  readonly id: string;
  readonly reason: string;
}

/** What storage nodes set aside because it failed verification. */
export interface QuarantineReader {
  /** Everything that the node at the URL set aside. Rejections are `node_unreachable`, or the signal's reason. */
  list(url: string, signal: AbortSignal): Promise<QuarantinedChunk[]>;
}

/** QuarantineReader over the storage node's HTTP API. */
export class HttpQuarantineReader implements QuarantineReader {
  readonly #requests: NodeRequests;

  constructor(requests: NodeRequests) {
    this.#requests = requests;
  }

  async list(url: string, signal: AbortSignal): Promise<QuarantinedChunk[]> {
    const chunks: QuarantinedChunk[] = [];
    let after: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(QUARANTINE_PAGE) });
      if (after !== undefined) query.set('after', after);
      const answer = await this.#requests.send(url, {
        method: 'GET',
        target: `${QUARANTINE_TARGET}?${query}`,
        signed: true,
        timeoutMs: PROBE_TIMEOUT_MS,
        limitBytes: QUARANTINE_BYTES_MAX,
        signal,
      });
      if (answer.status !== 200) throw refused(url, answer);
      for (const line of answer.text.split('\n')) if (line !== '') chunks.push(parseLine(url, line));
      const next = answer.header(NEXT_CURSOR_HEADER);
      if (next !== undefined && next === after) throw unreachable(url, 'its quarantine does not end');
      after = next;
    } while (after !== undefined);
    return chunks;
  }
}

function parseLine(url: string, line: string): QuarantinedChunk {
  try {
    const { position, id, reason } = quarantinedChunkSchema.parse(JSON.parse(line));
    return { position: parsePosition(position)!, id, reason };
  } catch (error) {
    throw unreachable(url, 'its quarantine is not readable', error);
  }
}
