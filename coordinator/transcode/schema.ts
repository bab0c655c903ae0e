import { z } from 'zod';
import { taskKindSchema } from '../../lib/worker-api/protocol.ts';
import { pageLimitSchema } from '../page-limit.ts';
import { decodeCursor } from '../videos/cursor.ts';
import { JOB_STATES } from './job.ts';
import { JOBS_LENGTH_DEFAULT, JOBS_LENGTH_MAX } from './limits.ts';

/** The query of `GET /jobs`. */
export const jobsQuerySchema = z.object({
  limit: pageLimitSchema(JOBS_LENGTH_DEFAULT, JOBS_LENGTH_MAX),
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
  state: z
    .enum(JOB_STATES)
    .optional()
    .describe('Only jobs in this state; `failed` ones wait for somebody to look at them.'),
  video: z.uuid().toLowerCase().optional().describe('Only jobs of this video.'),
});

/** The body of `POST /jobs/{id}/retry`. */
export const retrySchema = z.strictObject({
  rendition: z
    .string()
    .regex(/^[\w-]{1,100}$/, 'expected the name of a rendition')
    .optional()
    .describe('Only what this rendition needs; everything that failed when it is absent.'),
});

/** A job without its tasks. */
export const jobSchema = z.object({
  id: z.uuid(),
  videoId: z.uuid(),
  state: z.enum(JOB_STATES),
  progress: z.number().min(0).max(1).describe('Share of the work that is done, as far as it is known.'),
  reason: z
    .string()
    .nullable()
    .describe('Why it failed, or why the source is kept although it was to be dropped.'),
  source: z
    .enum(['keep', 'drop', 'dropped'])
    .describe(
      'What becomes of the bytes that were uploaded: they stay, are dropped when everything has been made of them and nothing has failed, or were.',
    ),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  links: z.object({ self: z.string(), video: z.string() }),
});
export type JobJson = z.infer<typeof jobSchema>;

export const jobListSchema = z.object({ items: z.array(jobSchema), nextCursor: z.string().nullable() });
export type JobListJson = z.infer<typeof jobListSchema>;

const taskShownSchema = z.object({
  id: z.uuid(),
  kind: taskKindSchema,
  state: z.enum(JOB_STATES),
  progress: z.number().min(0).max(1),
  attempts: z.int().nonnegative().describe('That failed, or whose worker was lost.'),
  worker: z.string().nullable(),
  reason: z.string().nullable().describe('Of the latest attempt that failed.'),
  renditions: z.array(z.string()).describe('That need it.'),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
});

/** A job with its tasks. */
export const jobDetailsSchema = jobSchema.extend({
  renditions: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['video', 'audio']),
      pieces: z.int().positive().describe('That it is made of.'),
      piecesDone: z.int().nonnegative(),
      isPublished: z.boolean().describe('Whether players are told of it.'),
    }),
  ),
  tasks: z.array(taskShownSchema).describe('In the order in which they are done, the first 1000.'),
  taskCounts: z.partialRecord(z.enum(JOB_STATES), z.int()).describe('All of them, by their state.'),
});
export type JobDetailsJson = z.infer<typeof jobDetailsSchema>;

export const workersSchema = z.object({
  items: z.array(
    z.object({
      id: z.uuid(),
      name: z.string(),
      concurrency: z.int().positive().describe('Tasks that it does at a time.'),
      isRunning: z.boolean().describe('Whether it was heard of in the last minute.'),
      startedAt: z.iso.datetime(),
      seenAt: z.iso.datetime().describe('When it last asked for a task.'),
      tasks: z
        .array(z.object({ id: z.uuid(), kind: z.string(), videoId: z.uuid() }))
        .describe('That it does now.'),
    }),
  ),
});
export type WorkersJson = z.infer<typeof workersSchema>;
