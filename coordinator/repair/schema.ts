import { z } from 'zod';

/** The query of `GET /admin/repair/chunks`. */
export const shortListSchema = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(1000))
    .default(100),
  cursor: z.string().max(100).optional(),
});
