import { z } from 'zod';
import { uploadFieldsSchema } from '../videos/schema.ts';
import { URL_LENGTH_MAX } from './limits.ts';

/** The body of `POST /videos/import`. */
export const newImportSchema = uploadFieldsSchema.extend({
  /** http or https. */
  url: z.string().max(URL_LENGTH_MAX),
});

/** `waiting`: for its turn, or for another try. */
export const IMPORT_STATES = ['waiting', 'running', 'complete', 'failed', 'cancelled'] as const;
export type ImportState = (typeof IMPORT_STATES)[number];

export const importSchema = z.object({
  id: z.uuid(),
  state: z.enum(IMPORT_STATES),
  url: z.string(),
  /** Bytes of the attempt that runs. */
  receivedBytes: z.int().nonnegative(),
  /** Null when the other server has not said. */
  totalBytes: z.int().nonnegative().nullable(),
  /** Begun so often. */
  attempts: z.int().nonnegative(),
  /** Why it failed, or the last attempt did. */
  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
  /** Null until it is complete. */
  videoId: z.uuid().nullable(),
  createdAt: z.iso.datetime(),
  links: z.object({ self: z.string(), video: z.string().nullable() }),
});
export type ImportJson = z.infer<typeof importSchema>;
