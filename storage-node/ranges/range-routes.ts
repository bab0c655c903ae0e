import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import {
  type ChunkEntryLine,
  digestRangesSchema,
  type PullProgress,
  pullRangeSchema,
  type RangeDigest,
} from '../../lib/node-api/schema.ts';
import {
  DIGEST_PATTERN,
  formatChecksum,
  formatPosition,
  NEXT_CURSOR_HEADER,
} from '../../lib/node-api/targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { NodeEnv } from '../access.ts';
import type { ChunkService } from '../chunks/chunk-service.ts';
import type { ChunkSource } from '../chunks/chunk-source.ts';
import { clientGoneSignal } from '../client-gone.ts';
import { PULL_PROGRESS_INTERVAL_MS } from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import { NDJSON } from '../ndjson.ts';
import { invalid, parseJson, parseLimit, parseRange, readRange } from '../parse-request.ts';
import { parseCursor } from '../repository/chunk-name.ts';
import type { ChunkEntry, VideoRepository } from '../repository/video-repository.ts';
import { ChunkCopier } from './chunk-copier.ts';
import { RangePull } from './range-pull.ts';
import { RunningDrops } from './running-drops.ts';

export interface RangeRoutesOptions {
  readonly repository: VideoRepository;
  readonly service: ChunkService;
  readonly source: ChunkSource;
  readonly metrics: Pick<NodeMetrics, 'bytesIn'>;
  /** Signs the requests to other nodes. */
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the server stops: a pull may run for hours and must not hold it up. */
  readonly stopping: AbortSignal;
}

/** `/ranges/{first}-{last}`. */
export function createRangeRoutes(options: RangeRoutesOptions): Hono<NodeEnv> {
  const { repository } = options;
  const copier = new ChunkCopier(options);
  const drops = new RunningDrops();
  const routes = new Hono<NodeEnv>();

  routes.get('/:range', async (context) => {
    const { first, last } = parseRange(context);
    const digest = context.req.query('digest');
    if (digest !== undefined && digest !== '1') throw invalid('digest: expected 1');
    await drops.ended(first, last);
    if (digest === '1') return context.json(await repository.digest(first, last));
    const after = context.req.query('after');
    const page = await repository.list(first, last, { after, limit: parseLimit(context) });
    if (page.next !== null) context.header(NEXT_CURSOR_HEADER, page.next);
    return context.body(page.entries.map(lineOf).join(''), 200, { 'content-type': NDJSON });
  });

  routes.delete('/:range', async (context) => {
    const { first, last } = parseRange(context);
    const digest = context.req.query('digest');
    if (digest !== undefined && !DIGEST_PATTERN.test(digest)) {
      throw invalid('digest: expected 64 lower-case hex digits');
    }
    return context.json(await drops.run(first, last, () => repository.drop(first, last, { digest })));
  });

  routes.post('/digests', async (context) => {
    const request = await parseJson(context, digestRangesSchema);
    const ranges = request.ranges.map(readRange);
    const digests: RangeDigest[] = [];
    // One after the other: whoever reads chunks meanwhile comes first.
    for (const { first, last } of ranges) {
      await drops.ended(first, last);
      digests.push(await repository.digest(first, last));
    }
    return context.json({ digests });
  });

  routes.post('/:range/pull', async (context) => {
    const { first, last } = parseRange(context);
    const request = await parseJson(context, pullRangeSchema);
    if (request.after !== undefined) parseCursor(request.after);
    await drops.ended(first, last);
    const onCopied = (bytes: number) => options.metrics.bytesIn.inc(bytes);
    const pull = new RangePull(request, { ...options, copier, onCopied });
    await streamPull(context, pull, { first, last }, options);
    return RESPONSE_ALREADY_SENT;
  });

  return routes;
}

function lineOf(entry: ChunkEntry): string {
  const line: ChunkEntryLine = {
    position: formatPosition(entry.position),
    id: entry.id,
    length: entry.length,
    checksum: formatChecksum(entry.checksum),
    createdAt: entry.createdAt,
  };
  return `${JSON.stringify(line)}\n`;
}

/**
 * Answers with the pull's progress, a line now and then and one at the end. The status is 200 whatever comes: how
 * it went stands in the last line, and a body without one was cut off. A client that hangs up ends the pull.
 */
async function streamPull(
  context: Context<NodeEnv>,
  pull: RangePull,
  { first, last }: { first: number; last: number },
  { clock, logger, stopping }: RangeRoutesOptions,
): Promise<void> {
  const { outgoing } = context.env;
  const gone = clientGoneSignal(outgoing);
  const stopped = new AbortController();
  const onStop = () =>
    stopped.abort(new AppError('server_stopping', 'The node is stopping.', { retryable: true }));
  if (stopping.aborted) onStop();
  stopping.addEventListener('abort', onStop, { once: true });

  outgoing.writeHead(200, { 'content-type': NDJSON, [REQUEST_ID_HEADER]: context.get('requestId') });
  const write = (progress: PullProgress) => outgoing.write(`${JSON.stringify(progress)}\n`);
  let cancelTimer = () => {};
  const tick = () => {
    // A client that does not read gets the latest line when it does, not all of them.
    if (!outgoing.writableNeedDrain) write(pull.progress);
    cancelTimer = clock.after(PULL_PROGRESS_INTERVAL_MS, tick);
  };
  tick();
  try {
    await pull.run(first, last, AbortSignal.any([gone, stopped.signal]));
    write({ ...pull.progress, done: true });
  } catch (error) {
    if (!gone.aborted) {
      logger.warn({ err: error, requestId: context.get('requestId') }, 'a range pull failed');
      write({ ...pull.progress, error: errorOf(error) });
    }
  } finally {
    cancelTimer();
    stopping.removeEventListener('abort', onStop);
    outgoing.end();
  }
}

function errorOf(error: unknown): { code: string; detail: string } {
  if (isAppError(error)) return { code: error.code, detail: error.message };
  return { code: 'internal', detail: 'The node met an unexpected condition; its log says more.' };
}
