import { z } from 'zod';
import { WEIGHT_MAX } from './limits.ts';

/** `POST /admin/nodes`. */
export const registrationSchema = z.strictObject({
  /** Base URL at which every coordinator and every other node reaches the node. */
  url: z.url({ protocol: /^http$/ }),
  /** What fails together: a machine, a rack, a site. */
  zone: z.string().min(1).max(64).optional(),
  /** Share of the data relative to the other nodes. */
  weight: z.int().min(0).max(WEIGHT_MAX).optional(),
  /** Whether it gets ranges at once. Default: yes if an administrator registers it and the ring exists. */
  activate: z.boolean().optional(),
});

/** `GET /admin/ring`. */
export const ringSchema = z.strictObject({
  /** Whether to list which node owns which part; up to one entry a range. */
  arcs: z
    .enum(['true', 'false', '1', '0'])
    .default('false')
    .transform((text) => text === 'true' || text === '1'),
});

/** `GET /admin/ring/locate`. */
export const locateSchema = z.strictObject({
  /** A chunk id, or any other text. */
  key: z.string().min(1).max(512),
});
