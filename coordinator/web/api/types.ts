/** What the API takes and answers, by the schemas that the server checks it with. Types alone: none of it is bundled. */

import type { z } from 'zod';
import type { attachmentSchema } from '../../attachments/schema.ts';
import type * as auth from '../../auth/schema.ts';
import type * as catalog from '../../catalog/schema.ts';
import type * as cluster from '../../cluster/answer-schema.ts';
import type { playbackUrlSchema } from '../../playback/schema.ts';
import type * as rebalance from '../../rebalance/answer-schema.ts';
import type * as repair from '../../repair/answer-schema.ts';
import type * as videos from '../../videos/schema.ts';

export type User = z.infer<typeof auth.userSchema>;
export type Role = User['role'];
export type Usage = z.infer<typeof auth.usageSchema>;
export type Me = z.infer<typeof auth.meSchema>;
export type LoginAnswer = z.infer<typeof auth.loginAnswerSchema>;
export type UserChanges = z.input<typeof auth.userChangesSchema>;
export type ApiKey = z.infer<typeof auth.apiKeySchema>;
export type CreatedApiKey = z.infer<typeof auth.createdApiKeySchema>;
export type AuditEvent = z.infer<typeof auth.auditEventSchema>;
export type PlaybackUrl = z.infer<typeof playbackUrlSchema>;

export type Movie = z.infer<typeof catalog.movieSchema>;
export type MovieList = z.infer<typeof catalog.movieListSchema>;
export type NewMovie = z.input<typeof catalog.newMovieSchema>;
export type Facets = z.infer<typeof catalog.facetsSchema>;
export type Suggestion = z.infer<typeof catalog.suggestionsSchema>['items'][number];
export type ImportReport = z.infer<typeof catalog.importReportSchema>;

export type Video = z.infer<typeof videos.videoSchema>;
export type VideoChanges = z.input<typeof videos.videoChangesSchema>;
export type Visibility = Video['visibility'];
export type Attachment = z.infer<typeof attachmentSchema>;

export type ClusterNode = z.infer<typeof cluster.nodeReportSchema>;
export type ClusterSummary = z.infer<typeof cluster.clusterSummarySchema>;
export type RingReport = z.infer<typeof cluster.ringReportSchema>;
export type RingArc = NonNullable<RingReport['arcs']>[number];
export type RebalancePlan = z.infer<typeof rebalance.planReportSchema>;
export type Rebalance = z.infer<typeof rebalance.rebalanceReportSchema>;
export type RepairStatus = z.infer<typeof repair.repairStatusSchema>;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}
