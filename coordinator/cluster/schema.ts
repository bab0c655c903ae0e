import { z } from 'zod';
import { WEIGHT_MAX } from './limits.ts';

/** `POST /admin/nodes`. */
export const registrationSchema = z.strictObject({
  url: z
    .url({ protocol: /^http$/ })
    .describe('Base URL at which every coordinator and every other node reaches the node.'),
  zone: z.string().min(1).max(64).optional().describe('What fails together: a machine, a rack, a site.'),
  weight: z
    .int()
    .min(0)
    .max(WEIGHT_MAX)
    .optional()
    .describe('Share of the data relative to the other nodes.'),
  activate: z
    .boolean()
    .optional()
    .describe(
      'Whether it gets ranges at once. Default: yes if an administrator registers it and the ring exists.',
    ),
});

/** `GET /admin/ring`. */
export const ringSchema = z.strictObject({
  arcs: z
    .enum(['true', 'false', '1', '0'])
    .default('false')
    .transform((text) => text === 'true' || text === '1')
    .meta({
      description: 'Whether to list which node owns which part; up to one entry a range.',
      wire: { type: 'boolean', default: false },
    }),
});

/** `GET /admin/ring/locate`. */
export const locateSchema = z.strictObject({
  key: z.string().min(1).max(512).describe('A chunk id, or any other text.'),
});

/** `GET /admin/events`. */
export const eventsSchema = z.object({
  lastEventId: z
    .string()
    .regex(/^\d{1,15}$/, 'expected the id of an event')
    .transform(Number)
    .optional()
    .describe('Like `Last-Event-ID`, for clients that cannot send it.'),
});
