import { z } from 'zod';
import { WEIGHT_MAX } from '../cluster/limits.ts';
import { pageLimitSchema } from '../page-limit.ts';
import { BYTES_PER_SECOND_MIN, CHANGES_MAX, CONCURRENCY_MAX, REASON_LENGTH_MAX } from './limits.ts';

const weight = z.int().min(0).max(WEIGHT_MAX);
const zone = z.string().min(1).max(64);

/** One node of `POST /admin/nodes/plan` and `POST /admin/rebalances`. */
const nodeChangeSchema = z
  .strictObject({
    nodeId: z.uuid(),
    state: z
      .enum(['active', 'draining', 'lost', 'removed'])
      .optional()
      .describe('`lost` and `removed`: whatever it holds is given up.'),
    weight: weight.optional(),
    zone: zone.optional(),
  })
  .refine((change) => Object.keys(change).length > 1, 'nothing is to be changed');

const changes = z.array(nodeChangeSchema).min(1).max(CHANGES_MAX);

/** Null: no limit. */
const limits = {
  bytesPerSecond: z
    .int()
    .min(BYTES_PER_SECOND_MIN)
    .nullable()
    .optional()
    .describe('Null: as fast as it goes while reads do not suffer.'),
  concurrency: z
    .int()
    .min(1)
    .max(CONCURRENCY_MAX)
    .nullable()
    .optional()
    .describe('Copies under way at a time.'),
};

export const planSchema = z.strictObject({ changes });

export const rebalanceSchema = z.strictObject({
  changes,
  reason: z.string().trim().min(1).max(REASON_LENGTH_MAX).optional(),
  ...limits,
});

/** `PATCH /admin/rebalances/{id}`. */
export const limitsSchema = z.strictObject(limits);

/** `PATCH /admin/nodes/{id}`. */
export const nodeEditSchema = z
  .strictObject({
    state: z.enum(['active', 'draining']).optional(),
    weight: weight.optional(),
    zone: zone.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'nothing is to be changed');

const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');

/** `DELETE /admin/nodes/{id}`. */
export const nodeRemovalSchema = z.strictObject({
  lost: flag.default(false).meta({
    description: 'The node will not come back: what only it holds is given up.',
    wire: { type: 'boolean', default: false },
  }),
});

export const idSchema = z.object({ id: z.uuid() });

export const listSchema = z.strictObject({
  limit: pageLimitSchema(50, 200),
  cursor: z.string().max(200).optional().describe('The `nextCursor` of the page before.'),
});
