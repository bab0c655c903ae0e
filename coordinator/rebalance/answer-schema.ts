import { z } from 'zod';
import { nodePlaceSchema, nodeStateSchema } from '../cluster/answer-schema.ts';
import type { NodeChange, NodeStanding, PlannedNode, RebalancePlan, RebalanceReport } from './types.ts';

/** What the admin API answers about rebalances. The types it is made of are declared in `types.ts`. */

const count = z.int().min(0);

const changeSchema = z.object({
  nodeId: z.uuid(),
  state: z.enum(['active', 'draining', 'lost', 'removed']).optional(),
  weight: count.optional(),
  zone: z.string().optional(),
}) satisfies z.ZodType<NodeChange>;

const standingSchema = z.object({
  state: nodeStateSchema,
  weight: count,
  zone: z.string(),
  ranges: count,
}) satisfies z.ZodType<NodeStanding>;

const plannedNodeSchema = z.object({
  nodeId: z.uuid(),
  before: standingSchema,
  after: standingSchema,
  gainedChunks: count.describe('What it has to copy from others, by what is stored now.'),
  gainedBytes: count,
  lostBytes: count.describe('What it may drop at the end.'),
}) satisfies z.ZodType<PlannedNode>;

export const planReportSchema = z.object({
  fromEpoch: count,
  nodes: z.array(plannedNodeSchema),
  ranges: count.describe('Ranges whose set of owners changes.'),
  totalRanges: count,
  chunks: count.describe('Copies to be made.'),
  bytes: count,
  share: z.number().describe('Of all copies’ bytes that are stored, 0 to 1.'),
  movedRanges: count.describe('Copies of whole ranges to be made.'),
  minimumRanges: count.describe('The fewest with which any layout for these nodes could do.'),
  minimumBytes: count,
  estimatedSeconds: z
    .number()
    .nullable()
    .describe('By the rate of the last rebalance; null when there was none.'),
}) satisfies z.ZodType<RebalancePlan>;

const progressSchema = z.object({ total: count, done: count });

export const rebalanceReportSchema = z.object({
  id: z.uuid(),
  state: z.enum(['running', 'paused', 'cancelling', 'superseded', 'cancelled', 'finished']),
  reason: z.string(),
  changes: z.array(changeSchema),
  plan: planReportSchema,
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  ranges: z.object({
    total: count,
    waiting: count,
    copying: count.describe('Being copied to their new owners.'),
    switching: count.describe('Copied; reads and writes pass to the new owners.'),
    done: count,
  }),
  chunks: progressSchema,
  bytes: progressSchema,
  copiedBytes: count.describe('Chunk bytes that nodes really copied.'),
  bytesPerSecond: z.number().nullable(),
  secondsLeft: z.number().nullable(),
  limits: z.object({ bytesPerSecond: count.nullable(), concurrency: count.nullable() }),
  error: z.string().nullable().describe('What holds it up now, in words; null when nothing does.'),
  nodes: z.array(z.object({ nodeId: z.uuid(), bytes: count, doneBytes: count })),
}) satisfies z.ZodType<RebalanceReport>;

export const rebalanceListJsonSchema = z.object({
  items: z.array(rebalanceReportSchema),
  nextCursor: z.string().nullable(),
});

/** `PATCH` and `DELETE /admin/nodes/{id}`; the rebalance is null when nothing has to move. */
export const changedNodeSchema = z.object({
  node: nodePlaceSchema,
  rebalance: rebalanceReportSchema.nullable(),
});

/** `POST /admin/nodes`. */
export const registeredNodeSchema = nodePlaceSchema.extend({
  clusterId: z.uuid(),
  rebalance: rebalanceReportSchema
    .nullable()
    .describe('What gives it its share; null when it waits or has it.'),
});
