/** Jobs and workers. */

import type { z } from 'zod';
import type { jobDetailsSchema, jobSchema, workersSchema } from '../../transcode/schema.ts';

export type Job = z.infer<typeof jobSchema>;
export type JobState = Job['state'];
export type JobDetails = z.infer<typeof jobDetailsSchema>;
export type JobTask = JobDetails['tasks'][number];
export type Worker = z.infer<typeof workersSchema>['items'][number];

export const JOB_STATES = [
  'queued',
  'running',
  'complete',
  'failed',
  'cancelled',
] as const satisfies readonly JobState[];
