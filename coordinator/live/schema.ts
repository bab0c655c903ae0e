import { z } from 'zod';
import { JOB_STATES } from '../transcode/job.ts';
import { videoSchema } from '../videos/schema.ts';
import { VIDEOS_NAMED_MAX } from './limits.ts';

const idSchema = z.uuid().toLowerCase();

/** The query of `GET /videos/events`. */
export const followQuerySchema = z
  .strictObject({
    video: z
      .union([idSchema, z.array(idSchema).max(VIDEOS_NAMED_MAX)])
      .optional()
      .describe(`Follow this video. May be repeated, up to ${VIDEOS_NAMED_MAX} times.`),
    owner: z
      .literal('me')
      .optional()
      .describe('Follow one’s own videos: those that are being processed, and whatever happens from now on.'),
  })
  .refine(({ video, owner }) => video !== undefined || owner !== undefined, {
    path: ['video'],
    message: 'name a video, or say owner=me',
  });

/** `data` of an event `video`: how the video is now. */
export const liveVideoSchema = z.object({
  video: videoSchema,
  etag: z.string().describe('For `If-Match`.'),
  job: z
    .object({
      id: z.uuid(),
      state: z.enum(JOB_STATES),
      progress: z.number().min(0).max(1),
      reason: z.string().nullable(),
      renditions: z.array(
        z.object({
          name: z.string(),
          kind: z.enum(['video', 'audio']),
          progress: z.number().min(0).max(1),
          isPublished: z.boolean().describe('Whether players are told of it.'),
        }),
      ),
    })
    .nullable()
    .describe('The latest transcoding; null when there is none yet.'),
});
export type LiveVideoJson = z.infer<typeof liveVideoSchema>;

/** `data` of an event `gone`: the video was deleted, or is not there for whoever asks. */
export const goneVideoSchema = z.object({ id: z.uuid() });
export type GoneVideoJson = z.infer<typeof goneVideoSchema>;
