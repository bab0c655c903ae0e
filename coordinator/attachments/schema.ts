import { z } from 'zod';
import { ATTACHMENT_KINDS } from '../videos/attachment.ts';
import { LABEL_LENGTH_MAX } from './limits.ts';

export const attachmentNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    'expected up to 100 letters, digits, dots, dashes and underscores',
  )
  .refine((name) => !name.includes('..'), 'two dots in a row are not allowed');

export const languageSchema = z.string().transform((text, context) => {
  try {
    const [language] = Intl.getCanonicalLocales(text);
    if (language !== undefined) return language;
  } catch {
    // Falls through.
  }
  context.addIssue({ code: 'custom', message: 'expected a language tag such as en or pt-BR' });
  return z.NEVER;
});

/** The query of `PUT /videos/{id}/attachments/{name}`. */
export const attachmentFieldsSchema = z.strictObject({
  kind: z
    .enum(ATTACHMENT_KINDS)
    .optional()
    .describe('By default what the bytes are: `captions`, `poster` or `document`.'),
  language: languageSchema.optional().describe('A language tag (BCP 47).'),
  label: z
    .string()
    .trim()
    .min(1)
    .max(LABEL_LENGTH_MAX)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'control characters are not allowed')
    .optional()
    .describe('Shown to viewers who choose.'),
});
export type AttachmentFields = z.infer<typeof attachmentFieldsSchema>;

export const attachmentSchema = z.object({
  name: z.string(),
  kind: z.enum(ATTACHMENT_KINDS),
  language: z.string().nullable(),
  label: z.string().nullable(),
  contentType: z.string(),
  size: z.int().positive(),
  /** Hex; of what is stored, which for SubRip is the WebVTT that was made of it. */
  sha256: z.string(),
  createdAt: z.iso.datetime(),
  links: z.object({ self: z.string() }),
});
export type AttachmentJson = z.infer<typeof attachmentSchema>;

/** There are never so many that a page would be needed. */
export const attachmentListSchema = z.object({ items: z.array(attachmentSchema), nextCursor: z.null() });
export type AttachmentListJson = z.infer<typeof attachmentListSchema>;
