import { z } from 'zod';
import { GRANT_LIFETIME_S_DEFAULT, GRANT_LIFETIME_S_MAX } from '../auth/limits.ts';

const deliverySchema = z.enum(['proxy', 'redirect']);
const DELIVERY_WORDS =
  '`redirect`: segments are answered with 307 to a storage node where one has them. `proxy`: with their bytes. By default as `DELIVERY` says. Playlists hand it on.';

/** Of playlists and segments. */
export const deliveryQuerySchema = z.strictObject({
  delivery: deliverySchema.optional().describe(DELIVERY_WORDS),
});

/** `POST /videos/{id}/playback-url`. */
export const playbackSchema = z.strictObject({
  expiresInS: z
    .int()
    .min(1)
    .max(GRANT_LIFETIME_S_MAX)
    .default(GRANT_LIFETIME_S_DEFAULT)
    .describe('How long the addresses are good, seconds.'),
  delivery: deliverySchema.optional().describe(DELIVERY_WORDS),
});

export const playbackLinksSchema = z.object({
  hls: z.string().nullable().describe('The master playlist.'),
  poster: z.string().nullable(),
  storyboard: z.string().nullable().describe('WebVTT that says which part of which sheet shows what second.'),
  preview: z.string().nullable(),
});
export type PlaybackLinksJson = z.infer<typeof playbackLinksSchema>;

export const playbackUrlSchema = z.object({
  url: z.string().nullable().describe('The file itself; null when it was dropped after the transcoding.'),
  ...playbackLinksSchema.shape,
  expiresAt: z.iso.datetime(),
});
export type PlaybackUrlJson = z.infer<typeof playbackUrlSchema>;
