import { z } from 'zod';

/** The `limit` of a list, as it stands in a query. */
export function pageLimitSchema(byDefault: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,4}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(max))
    .default(byDefault)
    .meta({
      description: 'Most entries of a page.',
      wire: { type: 'integer', minimum: 1, maximum: max, default: byDefault },
    });
}
