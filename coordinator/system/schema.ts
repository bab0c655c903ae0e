import { z } from 'zod';

export const healthSchema = z.object({ status: z.literal('ok') });

const count = z.int().min(0);

/** `GET /readyz`. */
export const readinessSchema = z.object({
  ready: z.boolean(),
  layout: z.boolean().describe('Whether enough nodes have registered for a first layout.'),
  database: z.enum(['ok', 'unavailable']),
  nodes: z.object({ up: count, suspect: count, down: count }),
});
