import { z } from 'zod';
import type { ClusterSummary } from './cluster.ts';
import type { NodeReport } from './node-report.ts';
import type { RingArc, RingNodeReport, RingReport } from './ring-report.ts';
import { PHASE_NAMES } from './ring-state.ts';

/** What the admin API answers about nodes and ring. The types it is made of are declared where it is made. */

const count = z.int().min(0);
export const nodeStateSchema = z
  .enum(['joined', 'active', 'draining', 'drained', 'lost', 'removed'])
  .describe(
    '`joined`: registered, owns nothing. `draining`: gives its ranges to others. `lost`: gone for good.',
  );
const healthSchema = z.enum(['up', 'suspect', 'down']);
const positionSchema = z
  .string()
  .regex(/^[0-9a-f]{8}$/)
  .describe('A place in the hash space, hex.');

const nodePlace = {
  id: z.uuid(),
  url: z.string(),
  zone: z.string().describe('What fails together: a machine, a rack, a site.'),
  weight: count.describe('Share of the data relative to the other nodes.'),
  state: nodeStateSchema,
};

/** A node as it is registered. */
export const nodePlaceSchema = z.object(nodePlace);

export const nodeReportSchema = z.object({
  ...nodePlace,
  health: healthSchema,
  healthReason: z.string().nullable().describe('Why it is not up; null when it is.'),
  ranges: count.describe(
    'Ranges of the ring that it owns; while ranges change hands, in the layout they come from.',
  ),
  primaryRanges: count.describe('Of these, the ranges whose first owner it is.'),
  targetRanges: count.nullable().describe('Ranges that it will own when the running rebalance has ended.'),
  capacityBytes: count,
  usedBytes: count.nullable().describe('Null, like the following, when the node does not answer now.'),
  chunkCount: count.nullable(),
  quarantinedCount: count.nullable().describe('Damaged chunks that it has set aside.'),
  disk: z.enum(['ok', 'full', 'failing']).nullable(),
  registeredAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
}) satisfies z.ZodType<NodeReport>;

export const nodeListJsonSchema = z.object({ items: z.array(nodeReportSchema), nextCursor: z.null() });

export const clusterSummarySchema = z.object({
  clusterId: z.uuid(),
  epoch: count.describe('Of the layout; 0 until the first one exists.'),
  step: count.describe('Steps that the ring has made; it grows while ranges change hands.'),
  rebalancing: z.boolean().describe('Whether ranges change hands now.'),
  ready: z.boolean().describe('Whether a layout exists.'),
  replicas: count.describe('Copies of each chunk.'),
  writeQuorum: count.describe('How many of them must be on disk before a chunk counts as stored.'),
  nodes: z.object({ up: count, suspect: count, down: count }),
}) satisfies z.ZodType<ClusterSummary>;

const phaseSchema = z.enum(PHASE_NAMES);

const ringNodeSchema = z.object({
  nodeId: z.uuid(),
  url: z.string().nullable(),
  zone: z.string(),
  weight: count,
  ranges: count,
  primaryRanges: count,
  targetRanges: count.nullable().describe('Null when the ring is stable.'),
  chunks: count.describe('Chunks that it is to hold by its ranges.'),
  bytes: count,
}) satisfies z.ZodType<RingNodeReport>;

const ringArcSchema = z.object({
  firstRange: count,
  lastRange: count,
  first: positionSchema,
  last: positionSchema,
  owners: z.array(z.uuid()),
  target: z.array(z.uuid()).nullable().describe('Owners to come; null when they stay.'),
  phase: phaseSchema.nullable(),
}) satisfies z.ZodType<RingArc>;

export const ringReportSchema = z.object({
  epoch: count,
  step: count,
  rangeCount: count,
  replicas: count,
  rebalanceId: z.uuid().nullable().describe('The rebalance under way; null when the ring is stable.'),
  targetEpoch: count.nullable(),
  phases: z
    .object({ before: count, dual: count, readNew: count, newOnly: count, after: count })
    .nullable()
    .describe('How many ranges are in each phase; null when the ring is stable.'),
  nodes: z.array(ringNodeSchema),
  balance: z.object({
    rangesMaxOverShare: z
      .number()
      .nullable()
      .describe('Most ranges of a node divided by its share by weight; 1 is perfect.'),
    bytesMaxOverShare: z.number().nullable().describe('The same of bytes; null while nothing is stored.'),
  }),
  arcs: z
    .array(ringArcSchema)
    .exactOptional()
    .describe('Neighbouring ranges with the same owners; only when asked for.'),
}) satisfies z.ZodType<RingReport>;

const ownerSchema = z.object({ id: z.uuid(), url: z.string(), zone: z.string(), health: healthSchema });

export const locationSchema = z.object({
  key: z.string(),
  position: positionSchema,
  range: z.object({ index: count, first: positionSchema, last: positionSchema }),
  epoch: count,
  step: count,
  phase: phaseSchema,
  owners: z.array(ownerSchema).describe('Where a chunk of that name is stored.'),
  fallbacks: z.array(ownerSchema).describe('Who takes it when an owner cannot, in this order.'),
});
