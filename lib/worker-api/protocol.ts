import { z } from 'zod';
import { resultSchema, storableText, taskSchema } from './tasks.ts';

/*
 * What workers and coordinators say to each other, below `/api/v1/workers`. A worker leases a task, and as long as it sends
 * heartbeats nobody else does it. Each lease has a fence; what comes with another one is refused with `lease_lost`, for
 * good: the task is somebody else's then, or nobody's.
 */

export const taskKindSchema = z.enum(['inspect', 'copy', 'encode', 'audio', 'pictures']);
const fence = z.int().positive().describe('Of the lease.');

/** The body of `POST /workers/lease`. */
export const leaseRequestSchema = z.strictObject({
  workerId: z.uuid().toLowerCase().describe('Made by the worker when it started.'),
  name: storableText(100).min(1).describe('For people.'),
  concurrency: z.int().min(1).max(256).describe('Tasks that it does at a time.'),
  kinds: z
    .array(taskKindSchema)
    .min(1)
    .max(5)
    .optional()
    .describe('Only tasks of these kinds; of any when it is absent.'),
  waitMs: z
    .int()
    .nonnegative()
    .max(25_000)
    .default(0)
    .describe('How long to wait for a task when there is none.'),
});
export type LeaseRequest = z.input<typeof leaseRequestSchema>;

export const leaseSchema = z.object({
  task: taskSchema,
  fence,
  /** Without a heartbeat for so long the task goes to another worker. */
  leaseMs: z.int().positive(),
  /** How often to send one. */
  heartbeatMs: z.int().positive(),
  /** Path and query, at this coordinator, of the video's bytes; `GET` with `Range`. */
  sourceUrl: z.string(),
});
export type Lease = z.infer<typeof leaseSchema>;

/** The body of `POST /workers/tasks/{id}/heartbeat`. */
export const heartbeatSchema = z.strictObject({
  fence,
  progress: z.number().min(0).max(1).describe('Share of the task that is done.'),
});
export const heartbeatAnswerSchema = z.object({
  /** A new address of the source: the one before expires. */
  sourceUrl: z.string(),
});

export const OUTPUT_NAME = /^[\w.-]{1,64}$/;
/** The body of `POST /workers/tasks/{id}/outputs`. */
export const openOutputSchema = z.strictObject({
  fence,
  name: z
    .string()
    .regex(OUTPUT_NAME, 'expected letters, digits, dots, dashes')
    .describe('By which the result refers to it.'),
  contentType: z.string().regex(/^[\x20-\x7e]{1,100}$/),
});
/** How far an output is. */
export const outputSchema = z.object({ size: z.int().nonnegative().describe('Bytes that are stored.') });

/** The query of `PUT /workers/tasks/{id}/outputs/{name}`, whose body is added. */
export const appendQuerySchema = z.strictObject({
  fence: z
    .string()
    .regex(/^[1-9]\d{0,15}$/)
    .transform(Number)
    .meta({ description: 'Of the lease.', wire: { type: 'integer', minimum: 1 } }),
  offset: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .meta({
      description: 'Where the bytes belong: what is stored so far.',
      wire: { type: 'integer', minimum: 0 },
    }),
});

/** The body of `POST /workers/tasks/{id}/complete`. */
export const completeSchema = z.strictObject({ fence, result: resultSchema });

/** The body of `POST /workers/tasks/{id}/fail`. */
export const failSchema = z.strictObject({
  fence,
  code: z
    .enum(['unplayable', 'failed'])
    .describe('`unplayable`: the source is no video that can be decoded.'),
  reason: storableText(1000).min(1).describe('In words, for the owner of the video.'),
  retryable: z.boolean().describe('Whether another attempt may go better.'),
});
export type Failure = Omit<z.infer<typeof failSchema>, 'fence'>;

/** The body of `POST /workers/tasks/{id}/release`. */
export const releaseSchema = z.strictObject({ fence });
