import { z } from 'zod';
import { scrubStateSchema } from '../../lib/node-api/schema.ts';
import type { RepairStatus, ScrubReport, ShortChunkReport } from './repair-service.ts';

/** What the admin API answers about copies. The types it is made of are declared in `repair-service.ts`. */

const count = z.int().min(0);

const shortChunkSchema = z.object({
  id: z.string(),
  position: z.string().regex(/^[0-9a-f]{8}$/),
  copies: count,
  objectId: z.uuid().nullable(),
  videoId: z.uuid().nullable(),
  problem: z.string().nullable(),
  foundAt: z.iso.datetime(),
}) satisfies z.ZodType<ShortChunkReport>;

const scrubSchema = z.object({
  nodeId: z.uuid(),
  state: scrubStateSchema.nullable().describe('Null when the node does not answer, or has no scrub.'),
  lastFinishedAt: z.iso.datetime().nullable(),
  foundCorrupt: count.nullable(),
  quarantined: count.nullable(),
}) satisfies z.ZodType<ScrubReport>;

export const repairStatusSchema = z.object({
  complete: z
    .boolean()
    .describe('Every chunk that a manifest names is on all its owners, and that was seen.'),
  verifiedAt: z.iso.datetime().nullable().describe('Since when that has been seen. Null unless complete.'),
  reasons: z.array(z.string()).describe('Why it cannot be said, in words; empty when complete.'),
  ranges: z.object({ total: count, verified: count, suspected: count, short: count, moving: count }),
  chunks: count,
  bytes: count,
  missingCopies: count,
  shortChunks: z.object({
    count,
    lost: count.describe('Chunks of which no copy was found.'),
    sample: z.array(shortChunkSchema),
  }),
  repairing: z
    .object({ checkedRanges: count, copiedChunks: count, copiedBytes: count, failedCopies: count })
    .describe('By this coordinator, since it started.'),
  scrub: z.array(scrubSchema),
}) satisfies z.ZodType<RepairStatus>;

export const shortListJsonSchema = z.object({
  items: z.array(shortChunkSchema),
  nextCursor: z.string().nullable(),
});
