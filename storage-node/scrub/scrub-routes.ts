import { Hono } from 'hono';
import {
  type QuarantinedChunkLine,
  scrubControlSchema,
  type VerifyAnswer,
} from '../../lib/node-api/schema.ts';
import {
  formatPosition,
  NEXT_CURSOR_HEADER,
  QUARANTINE_TARGET,
  SCRUB_TARGET,
} from '../../lib/node-api/targets.ts';
import type { NodeEnv } from '../access.ts';
import { NDJSON } from '../ndjson.ts';
import { parseAddress, parseJson, parseLimit } from '../parse-request.ts';
import type { QuarantinedChunk, VideoRepository } from '../repository/video-repository.ts';
import type { Scrubber } from './scrubber.ts';

export interface ScrubRoutesOptions {
  readonly repository: VideoRepository;
  readonly scrubber: Pick<Scrubber, 'status' | 'control'>;
}

/** The scrub, verification of single chunks, and what either set aside. */
export function createScrubRoutes({ repository, scrubber }: ScrubRoutesOptions): Hono<NodeEnv> {
  const routes = new Hono<NodeEnv>();

  routes.get(SCRUB_TARGET, (context) => context.json(scrubber.status));

  routes.post(SCRUB_TARGET, async (context) => {
    scrubber.control(await parseJson(context, scrubControlSchema));
    return context.json(scrubber.status);
  });

  routes.post('/chunks/:position/:id/verify', async (context) => {
    const { position, id } = parseAddress(context);
    const answer: VerifyAnswer = { result: await repository.verify(position, id) };
    return context.json(answer);
  });

  routes.get(QUARANTINE_TARGET, async (context) => {
    const after = context.req.query('after');
    const page = await repository.listQuarantine({ after, limit: parseLimit(context) });
    if (page.next !== null) context.header(NEXT_CURSOR_HEADER, page.next);
    return context.body(page.chunks.map(lineOf).join(''), 200, { 'content-type': NDJSON });
  });

  routes.delete(`${QUARANTINE_TARGET}/:position/:id`, async (context) => {
    const { position, id } = parseAddress(context);
    await repository.removeQuarantined(position, id);
    return context.body(null, 204);
  });

  return routes;
}

function lineOf({ position, id, length, reason, quarantinedAt }: QuarantinedChunk): string {
  const line: QuarantinedChunkLine = {
    position: formatPosition(position),
    id,
    length,
    reason,
    at: new Date(quarantinedAt).toISOString(),
  };
  return `${JSON.stringify(line)}\n`;
}
