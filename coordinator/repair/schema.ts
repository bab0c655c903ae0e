import { z } from 'zod';
import { pageLimitSchema } from '../page-limit.ts';

/** The query of `GET /admin/repair/chunks`. */
export const shortListSchema = z.strictObject({
  limit: pageLimitSchema(100, 1000),
  cursor: z.string().max(100).optional().describe('The `nextCursor` of the page before.'),
});
