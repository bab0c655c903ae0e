import type { z } from 'zod';
import { attachmentSchema } from '../attachments/schema.ts';
import type { Operation } from '../auth/access.ts';
import { userSchema } from '../auth/schema.ts';
import { movieSchema } from '../catalog/schema.ts';
import { nodeReportSchema } from '../cluster/answer-schema.ts';
import { directUploadSchema } from '../direct-uploads/schema.ts';
import { importSchema } from '../imports/schema.ts';
import { planReportSchema, rebalanceReportSchema } from '../rebalance/answer-schema.ts';
import { repairStatusSchema } from '../repair/answer-schema.ts';
import { jobSchema } from '../transcode/schema.ts';
import { uploadSchema } from '../uploads/schema.ts';
import { videoSchema } from '../videos/schema.ts';
import { deliverySchema, webhookSchema } from '../webhooks/schema.ts';
import type { Description } from './description.ts';
import { ACCOUNTS, USERS } from './operations/accounts.ts';
import { CLUSTER } from './operations/cluster.ts';
import { ATTACHMENTS, DIRECT_UPLOADS } from './operations/direct-uploads.ts';
import { MOVIES } from './operations/movies.ts';
import { PLAYBACK } from './operations/playback.ts';
import { REBALANCES } from './operations/rebalances.ts';
import { REPAIR } from './operations/repair.ts';
import { SYSTEM } from './operations/system.ts';
import { JOBS, WORKERS } from './operations/transcode.ts';
import { UPLOADS } from './operations/uploads.ts';
import { VIDEOS } from './operations/videos.ts';
import { WEBHOOKS } from './operations/webhooks.ts';

/** In the order of the document. Each is a tag. */
export const GROUPS = [
  VIDEOS,
  PLAYBACK,
  UPLOADS,
  DIRECT_UPLOADS,
  ATTACHMENTS,
  JOBS,
  MOVIES,
  WEBHOOKS,
  ACCOUNTS,
  USERS,
  CLUSTER,
  REBALANCES,
  REPAIR,
  WORKERS,
  SYSTEM,
] as const;

/** The compiler sees to it that nothing is left out. */
export const DESCRIPTIONS: Readonly<Record<Operation, Description>> = {
  ...VIDEOS.operations,
  ...PLAYBACK.operations,
  ...UPLOADS.operations,
  ...DIRECT_UPLOADS.operations,
  ...ATTACHMENTS.operations,
  ...JOBS.operations,
  ...MOVIES.operations,
  ...WEBHOOKS.operations,
  ...ACCOUNTS.operations,
  ...USERS.operations,
  ...CLUSTER.operations,
  ...REBALANCES.operations,
  ...REPAIR.operations,
  ...WORKERS.operations,
  ...SYSTEM.operations,
};

/** Answers that have a name in the document; those that are part of other answers need one. */
export const NAMED_ANSWERS: Readonly<Record<string, z.ZodType>> = {
  Video: videoSchema,
  Upload: uploadSchema,
  Movie: movieSchema,
  Attachment: attachmentSchema,
  DirectUpload: directUploadSchema,
  Import: importSchema,
  Job: jobSchema,
  Webhook: webhookSchema,
  Delivery: deliverySchema,
  User: userSchema,
  Node: nodeReportSchema,
  Plan: planReportSchema,
  Rebalance: rebalanceReportSchema,
  RepairStatus: repairStatusSchema,
};
