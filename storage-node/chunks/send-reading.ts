import { isAppError } from '../../lib/errors/app-error.ts';
import type { LaneAnswer } from '../../lib/http/get-lane.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { NodeMetrics } from '../metrics.ts';
import type { ChunkReading } from '../repository/video-repository.ts';

export interface SendReadingParts {
  readonly reading: ChunkReading;
  /** Of the chunk; `last` is inclusive. */
  readonly first: number;
  readonly last: number;
  /** Asked before each piece how many bytes are read next at most; by default all that are left. */
  readonly nextBytes?: (offset: number) => number;
  /** Writes the head of the answer. */
  readonly begin: () => void;
  readonly requestId: string;
  readonly metrics: Pick<NodeMetrics, 'bytesOut'>;
  readonly logger: Logger;
}

/**
 * Sends a part of a chunk. The head goes out with the first verified piece, so what fails before rejects and can be answered;
 * what fails later cuts the connection.
 */
export async function sendReading(sink: LaneAnswer, parts: SendReadingParts): Promise<void> {
  const { reading, last, nextBytes, begin, requestId, metrics, logger } = parts;
  let sentBytes = 0;
  try {
    for (let first = parts.first; first <= last; ) {
      const end = nextBytes === undefined ? last : Math.min(last, first + nextBytes(first) - 1);
      await reading.send(first, end, (piece) => {
        if (sentBytes === 0) begin();
        sentBytes += piece.length;
        return sink.write(piece);
      });
      first = end + 1;
    }
  } catch (error) {
    const gone = isAppError(error) && error.code === 'client_gone';
    if (sentBytes === 0 && !gone) throw error;
    sink.cut();
    if (!gone) logger.warn({ err: error, requestId }, 'a response was cut');
  } finally {
    metrics.bytesOut.inc(sentBytes);
  }
}
