import { z } from 'zod';

/** What the admin API answers, as far as trials look at it; more fields do no harm. */

const count = z.number().int().nonnegative();

export const planSchema = z.looseObject({
  fromEpoch: count,
  ranges: count,
  totalRanges: count,
  chunks: count,
  bytes: count,
  /** Of everything stored, 0 to 1. */
  share: z.number().nullable(),
  minimumRanges: count,
  minimumBytes: count,
  estimatedSeconds: z.number().nullable(),
});
export type Plan = z.infer<typeof planSchema>;

const progress = z.looseObject({ total: count, done: count });

export const rebalanceSchema = z.looseObject({
  id: z.uuid(),
  state: z.enum(['running', 'paused', 'cancelling', 'superseded', 'cancelled', 'finished']),
  plan: planSchema,
  ranges: z.looseObject({ total: count, waiting: count, copying: count, switching: count, done: count }),
  chunks: progress,
  bytes: progress,
  /** Chunk bytes that nodes really copied. */
  copiedBytes: count,
  bytesPerSecond: z.number().nullable(),
  secondsLeft: z.number().nullable(),
  limits: z.looseObject({ bytesPerSecond: z.number().nullable(), concurrency: z.number().nullable() }),
  error: z.unknown(),
});
export type Rebalance = z.infer<typeof rebalanceSchema>;

export const nodeStateSchema = z.enum(['joined', 'active', 'draining', 'drained', 'lost', 'removed']);

export const adminNodeSchema = z.looseObject({
  id: z.uuid(),
  url: z.string(),
  zone: z.string(),
  weight: z.number(),
  state: nodeStateSchema,
  health: z.enum(['up', 'suspect', 'down']),
  ranges: count,
  targetRanges: count.nullable(),
});
export type AdminNode = z.infer<typeof adminNodeSchema>;

/** The answer to a change of a node; `rebalance` is null when nothing has to move. */
export const nodeChangeSchema = z.looseObject({
  node: z.looseObject({ id: z.uuid(), state: nodeStateSchema }),
  rebalance: rebalanceSchema.nullable(),
});
export type NodeChange = z.infer<typeof nodeChangeSchema>;

export const registeredNodeSchema = z.looseObject({
  id: z.uuid(),
  url: z.string(),
  state: nodeStateSchema,
  rebalance: rebalanceSchema.nullish(),
});
export type RegisteredNode = z.infer<typeof registeredNodeSchema>;

const phase = z.enum(['before', 'dual', 'readNew', 'newOnly', 'after']);
export type PhaseName = z.infer<typeof phase>;

export const ringSchema = z.looseObject({
  epoch: count,
  step: count,
  rangeCount: count,
  replicas: count,
  rebalanceId: z.string().nullable(),
  targetEpoch: count.nullable(),
  nodes: z.array(z.looseObject({ nodeId: z.string(), ranges: count })),
  arcs: z.array(
    z.object({
      firstRange: count,
      lastRange: count,
      first: z.string(),
      last: z.string(),
      owners: z.array(z.string()),
      target: z.array(z.string()).nullable(),
      phase: phase.nullable(),
    }),
  ),
});
export type Ring = z.infer<typeof ringSchema>;

export const clusterSummarySchema = z.looseObject({ step: count, rebalancing: z.boolean() });
export type ClusterSummary = z.infer<typeof clusterSummarySchema>;

export const repairStatusSchema = z.looseObject({
  complete: z.boolean(),
  verifiedAt: z.string().nullable(),
  ranges: z.looseObject({ total: count, verified: count }),
  missingCopies: count,
  shortChunks: z.looseObject({ count, lost: count }),
  repairing: z.unknown(),
});
export type RepairStatus = z.infer<typeof repairStatusSchema>;

export const eventSchema = z.looseObject({
  id: z.int().nullable(),
  at: z.string(),
  kind: z.string(),
  nodeId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});
export type ClusterEvent = z.infer<typeof eventSchema>;

export const problemSchema = z.looseObject({ code: z.string(), detail: z.string().optional() });
