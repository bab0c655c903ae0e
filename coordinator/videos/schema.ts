import { z } from 'zod';
import { pageLimitSchema } from '../page-limit.ts';
import { decodeCursor } from './cursor.ts';
import { sanitizeFilename } from './filename.ts';
import { DESCRIPTION_LENGTH_MAX, LIST_LENGTH_DEFAULT, LIST_LENGTH_MAX, TITLE_LENGTH_MAX } from './limits.ts';
import { parseMediaType } from './media-type.ts';
import { mediaSchema } from './video-media.ts';

const LINE_CONTROLS = /\p{Cc}/u;
const TEXT_CONTROLS = /[^\P{Cc}\t\n\r]/u;

/** One line of text. */
export const titleSchema = z
  .string()
  .trim()
  .min(1)
  .max(TITLE_LENGTH_MAX)
  .refine((text) => text.isWellFormed() && !LINE_CONTROLS.test(text), 'control characters are not allowed');

/** Text with line breaks. */
export const descriptionSchema = z
  .string()
  .max(DESCRIPTION_LENGTH_MAX)
  .refine((text) => text.isWellFormed() && !TEXT_CONTROLS.test(text), 'control characters are not allowed');

const filenameSchema = z.string().transform((text, context) => {
  const name = sanitizeFilename(text);
  if (name !== undefined) return name;
  context.addIssue({ code: 'custom', message: 'expected a file name' });
  return z.NEVER;
});

export const contentTypeSchema = z.string().transform((text, context) => {
  const type = parseMediaType(text);
  if (type !== undefined) return type;
  context.addIssue({ code: 'custom', message: 'expected a media type such as video/mp4' });
  return z.NEVER;
});

/** Who may read a video: everybody, everybody who knows its id, or its owner and administrators. */
export const visibilitySchema = z.enum(['public', 'unlisted', 'private']);

/** The body of `PATCH /videos/{id}`. */
export const videoChangesSchema = z.strictObject({
  title: titleSchema.optional(),
  description: descriptionSchema.optional(),
  filename: filenameSchema.optional(),
  contentType: contentTypeSchema.optional(),
  visibility: visibilitySchema.optional(),
  ownerId: z
    .uuid()
    .toLowerCase()
    .nullable()
    .optional()
    .describe('A user’s id, or null for nobody’s; for administrators only.'),
});

/** What a client may say about an upload, in the query or in form fields. An empty title or filename counts as none. */
export const uploadFieldsSchema = z.strictObject({
  title: z
    .preprocess(emptyAsAbsent, titleSchema.optional())
    .optional()
    .meta({
      description: 'The name of the file when it is absent.',
      wire: { type: 'string', maxLength: TITLE_LENGTH_MAX },
    }),
  description: descriptionSchema.optional().describe('Text with line breaks.'),
  filename: z
    .preprocess(emptyAsAbsent, filenameSchema.optional())
    .optional()
    .meta({ description: 'The name under which the video is saved.', wire: { type: 'string' } }),
  visibility: z
    .preprocess(emptyAsAbsent, visibilitySchema.optional())
    .optional()
    .meta({
      description: 'Who may read it.',
      wire: { type: 'string', enum: visibilitySchema.options, default: 'public' },
    }),
});
export type UploadFields = z.infer<typeof uploadFieldsSchema>;

/** The query of `GET /videos`; parameters that mean nothing here are left alone. */
export const listQuerySchema = z.object({
  limit: pageLimitSchema(LIST_LENGTH_DEFAULT, LIST_LENGTH_MAX),
  cursor: z
    .string()
    .transform((text, context) => {
      const position = decodeCursor(text);
      if (position !== undefined) return position;
      context.addIssue({ code: 'custom', message: 'not a cursor of this list' });
      return z.NEVER;
    })
    .optional()
    .describe('The `nextCursor` of the page before.'),
  owner: z
    .union([z.literal('me'), z.uuid().toLowerCase()])
    .optional()
    .describe('Only videos of this user: an id, or `me`.'),
});

/** The query of a video's bytes; what it means is decided by the routes. */
export const contentQuerySchema = z.object({
  download: z.literal('1').optional().describe('Offers the bytes as a file to save.'),
  'x-grant': z.string().optional().describe('Of a signed address, in place of credentials.'),
});

/** A video as the API shows it. */
export const videoSchema = z.object({
  id: z.uuid(),
  ownerId: z.uuid().nullable(),
  visibility: visibilitySchema,
  title: z.string(),
  description: z.string(),
  filename: z.string().nullable(),
  contentType: z.string(),
  size: z.int().positive().describe('Bytes.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .describe(
      'Of the bytes, hex; null as long as it has not been computed, which may happen after the upload.',
    ),
  media: mediaSchema.describe('How far it is as something to be played.'),
  source: z
    .object({
      status: z.enum(['stored', 'dropped']),
      droppedAt: z.iso.datetime().nullable(),
    })
    .describe(
      'The bytes that were uploaded. Where `KEEP_SOURCE` is off they are dropped after the transcoding.',
    ),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  links: z.object({
    content: z.string().nullable().describe('The bytes that were uploaded; null when they were dropped.'),
    hls: z.string().nullable().describe('What players play; null as long as nothing can be played.'),
    poster: z.string().nullable().describe('A picture of it; null as long as none was made.'),
  }),
});
export type VideoJson = z.infer<typeof videoSchema>;

export const videoListSchema = z.object({
  items: z.array(videoSchema),
  nextCursor: z.string().nullable(),
});
export type VideoListJson = z.infer<typeof videoListSchema>;

function emptyAsAbsent(value: unknown): unknown {
  return typeof value === 'string' && value.trim() === '' ? undefined : value;
}
