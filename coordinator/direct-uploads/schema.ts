import { z } from 'zod';
import { contentTypeSchema, uploadFieldsSchema } from '../videos/schema.ts';
import { PARTS_PAGE_DEFAULT, PARTS_PAGE_MAX } from './limits.ts';

const sha256Schema = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'expected 64 hex digits')
  .toLowerCase();

/** The body of `POST /uploads/direct`. */
export const newDirectUploadSchema = uploadFieldsSchema.extend({
  /** Bytes. */
  size: z.int().positive(),
  contentType: contentTypeSchema.optional(),
  /** Hex; verified before the upload is complete. */
  sha256: sha256Schema.optional(),
});
export type NewDirectUpload = z.infer<typeof newDirectUploadSchema>;

/** The query of `GET /uploads/direct/{id}`. */
export const partsQuerySchema = z.strictObject({
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'not a cursor of this list')
    .transform(Number)
    .optional()
    .describe('Where the page begins: `nextCursor` of the page before.'),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(PARTS_PAGE_MAX))
    .default(PARTS_PAGE_DEFAULT)
    .describe('How many, at most.'),
});

export const partSchema = z.object({
  /** From 0. */
  index: z.int().nonnegative(),
  /** Where in the file it begins, and its length; bytes. */
  offset: z.int().nonnegative(),
  length: z.int().positive(),
  /** Takes a PUT of these bytes, and needs no other permission. */
  url: z.url(),
  expiresAt: z.iso.datetime(),
});

export const directUploadSchema = z.object({
  id: z.uuid(),
  state: z.enum(['open', 'complete']),
  /** Null until it is complete. */
  videoId: z.uuid().nullable(),
  size: z.int().positive(),
  partSize: z.int().positive(),
  partCount: z.int().positive(),
  /** Null once it is complete. */
  expiresAt: z.iso.datetime().nullable(),
  /** Those that are missing. */
  parts: z.object({ items: z.array(partSchema), nextCursor: z.string().nullable() }),
  links: z.object({ self: z.string(), complete: z.string() }),
});
export type DirectUploadJson = z.infer<typeof directUploadSchema>;

/** The answer of a completion that takes longer: ask again. */
export const completingSchema = z.object({ id: z.uuid(), state: z.literal('completing') });
export type CompletingJson = z.infer<typeof completingSchema>;
