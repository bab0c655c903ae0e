import type { ColumnType, Generated, Kysely, Transaction as KyselyTransaction } from 'kysely';
import type { Probe, SegmentPlan, TaskKind } from '../../lib/worker-api/tasks.ts';
import type { ImportState } from '../imports/schema.ts';
import type { Rendition, RenditionOrigin } from '../renditions/rendition.ts';
import type { JobState, SourceFate, TaskSpec } from '../transcode/job.ts';
import type { AttachmentKind } from '../videos/attachment.ts';
import type { MediaStatus } from '../videos/video-media.ts';
import type { WebhookDeliveryState, WebhookDisabledReason, WebhookScope } from '../webhooks/schema.ts';

/**
 * The tables as Kysely sees them. On both engines bigint arrives as a number (never beyond 2^53-1), timestamps
 * as Date with whole milliseconds, bytea as Uint8Array.
 */
export interface Schema {
  cluster: ClusterTable;
  nodes: NodesTable;
  layouts: LayoutsTable;
  objects: ObjectsTable;
  chunks: ChunksTable;
  record_writes: RecordWritesTable;
  videos: VideosTable;
  direct_uploads: DirectUploadsTable;
  direct_parts: DirectPartsTable;
  attachments: AttachmentsTable;
  renditions: RenditionsTable;
  rendition_pieces: RenditionPiecesTable;
  pictures: PicturesTable;
  video_media: VideoMediaTable;
  transcode_jobs: TranscodeJobsTable;
  transcode_tasks: TranscodeTasksTable;
  transcode_outputs: TranscodeOutputsTable;
  transcode_renditions: TranscodeRenditionsTable;
  transcode_workers: TranscodeWorkersTable;
  idempotency_keys: IdempotencyKeysTable;
  imports: ImportsTable;
  leases: LeasesTable;
  ring: RingTable;
  coordinators: CoordinatorsTable;
  rebalances: RebalancesTable;
  rebalance_copies: RebalanceCopiesTable;
  range_checks: RangeChecksTable;
  short_chunks: ShortChunksTable;
  cluster_events: ClusterEventsTable;
  users: UsersTable;
  sessions: SessionsTable;
  refresh_tokens: RefreshTokensTable;
  revocations: RevocationsTable;
  api_keys: ApiKeysTable;
  signing_keys: SigningKeysTable;
  rate_limits: RateLimitsTable;
  audit_events: AuditEventsTable;
  uploads: UploadsTable;
  owner_usage: OwnerUsageTable;
  quota_reservations: QuotaReservationsTable;
  movies: MoviesTable;
  movie_genres: MovieGenresTable;
  movie_index: MovieIndexTable;
  movie_segments: MovieSegmentsTable;
  movie_segment_parts: MovieSegmentPartsTable;
  movie_changes: MovieChangesTable;
  movie_imports: MovieImportsTable;
  movie_import_updates: MovieImportUpdatesTable;
  webhook_endpoints: WebhookEndpointsTable;
  webhook_secrets: WebhookSecretsTable;
  webhook_events: WebhookEventsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  webhook_node_health: WebhookNodeHealthTable;
}

/** Exactly one row, from the first start on. */
export interface ClusterTable {
  singleton: Generated<boolean>;
  id: Generated<string>;
  created_at: Generated<Date>;
  replicas: number;
  range_count: number;
  admin_token_hash: Uint8Array | null;
}

/**
 * `joined`: registered, owns nothing yet. `active`: owns its share. `draining`: its ranges are on their way to
 * others. `drained`: they have gone, it may be removed. `lost`: it was away too long, its ranges were given to
 * others. `removed`: kept for the record.
 */
export type NodeState = 'joined' | 'active' | 'draining' | 'drained' | 'lost' | 'removed';

export interface NodesTable {
  id: string;
  url: string;
  zone: string;
  weight: number;
  state: NodeState;
  capacity_bytes: number;
  /** Changes when a node has lost data; null until it was first asked. */
  data_id: Generated<string | null>;
  /** Set aside by the node, and known of here. */
  quarantined_count: Generated<number>;
  /** By the node's clock. */
  last_quarantined_at: Generated<Date | null>;
  registered_at: Generated<Date>;
  last_seen_at: Generated<Date>;
}

export interface LayoutsTable {
  epoch: number;
  /** See `encodeLayout`. */
  encoded: Uint8Array;
  created_at: Generated<Date>;
}

export type ObjectState = 'open' | 'committed';

export interface ObjectsTable {
  id: string;
  state: ObjectState;
  /** Null while open. */
  size: number | null;
  /** Null while open, and as long as nobody has computed it. */
  sha256: Uint8Array | null;
  /** Null when committed. */
  lease_expires_at: Date | null;
  created_at: Generated<Date>;
}

/** The manifests of committed objects, and their current records. */
export interface ChunksTable {
  object_id: string;
  /** A record's chunks have -1, -2 and so on. */
  index: number;
  id: string;
  position: number;
  length: number;
  checksum: number;
}

/** New records on their way to the nodes: while a row stands, all chunks of its object are alive. */
export interface RecordWritesTable {
  id: string;
  object_id: string;
  lease_expires_at: Date;
  created_at: Generated<Date>;
}

/** `unlisted`: readable by everybody who knows the id. `private`: by its owner and administrators. */
export type Visibility = 'public' | 'unlisted' | 'private';

export interface VideosTable {
  id: string;
  object_id: string;
  /** A user, or one who was; null for what was uploaded with the admin token. */
  owner_id: string | null;
  visibility: Visibility;
  title: string;
  description: Generated<string>;
  filename: string | null;
  content_type: string;
  size: number;
  /** Null as long as nobody has computed it. */
  sha256: Uint8Array | null;
  /** Grows with every edit; the entity tag is made of it. */
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  /** Null as long as its bytes are stored. */
  source_dropped_at: Generated<Date | null>;
}

/** Videos whose bytes clients send to the storage nodes themselves. Its id is that of the object. */
export interface DirectUploadsTable {
  id: string;
  video_id: string;
  owner_id: string | null;
  size: number;
  part_bytes: number;
  /** Three random bytes: part of the ids of its chunks. */
  nonce: Uint8Array;
  /** What the client says that the bytes have. */
  sha256: Uint8Array | null;
  /** JSON. */
  metadata: string;
  created_at: Generated<Date>;
  completed_at: Date | null;
}

/** Which node takes a part. A chunk id is made of index and attempt, so each is good at one node alone. */
export interface DirectPartsTable {
  upload_id: string;
  index: number;
  attempt: number;
  node_id: string;
}

/** Uploads that coordinators fetch from URLs. */
export interface ImportsTable {
  id: string;
  owner_id: string | null;
  url: string;
  /** JSON. */
  metadata: string;
  /** That the video is going to have. */
  video_id: string;
  state: Generated<ImportState>;
  received_bytes: Generated<number>;
  total_bytes: number | null;
  attempts: Generated<number>;
  error_code: string | null;
  error_detail: string | null;
  /** The coordinator that runs it. */
  holder: string | null;
  lease_expires_at: Date | null;
  /** Not to be begun before. */
  due_at: Generated<Date>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** Requests that must not make a second thing when they are repeated. */
export interface IdempotencyKeysTable {
  /** A user's id, or `operator`. */
  owner: string;
  key: string;
  /** SHA-256 of what makes it this request. */
  fingerprint: Uint8Array;
  /** Of what it makes. */
  resource_id: string;
  /** JSON; null until it was made. */
  answer: string | null;
  /** The request that makes it, by an id of its own. */
  holder: string;
  lease_expires_at: Date;
  expires_at: Date;
}

export interface AttachmentsTable {
  object_id: string;
  video_id: string;
  /** The video's. */
  owner_id: string | null;
  name: string;
  kind: AttachmentKind;
  language: string | null;
  label: string | null;
  content_type: string;
  size: number;
  sha256: Uint8Array;
  created_at: Generated<Date>;
}

/** Where videos can be played from: all that is derived of one goes with it, in one transaction. */
export interface RenditionsTable {
  id: string;
  video_id: string;
  name: string;
  kind: 'video' | 'audio';
  origin: RenditionOrigin;
  media: ColumnType<Rendition['media'], string, string>;
  is_ready: Generated<boolean>;
  created_at: Generated<Date>;
}

export interface RenditionPiecesTable {
  rendition_id: string;
  index: number;
  object_id: string;
  init: Uint8Array;
  timescale: number;
  durations: number[];
  lengths: number[];
  served_lengths: number[] | null;
}

export interface PicturesTable {
  object_id: string;
  video_id: string;
  name: string;
  content_type: string;
  width: number | null;
  height: number | null;
  created_at: Generated<Date>;
}

/** One row a video, made by a trigger with it. */
export interface VideoMediaTable {
  video_id: string;
  status: Generated<MediaStatus>;
  reason: string | null;
  /** The latest; null when none has been made yet. */
  job_id: string | null;
  probe: ColumnType<Probe | null, string | null, string | null>;
  updated_at: Generated<Date>;
}

/** One row for each transcoding of a video. */
export interface TranscodeJobsTable {
  id: string;
  video_id: string;
  state: Generated<JobState>;
  /** Somebody waits for it; the others come after all of these. */
  is_urgent: Generated<boolean>;
  reason: string | null;
  probe: ColumnType<Probe | null, string | null, string | null>;
  plan: ColumnType<SegmentPlan | null, string | null, string | null>;
  created_at: Generated<Date>;
  started_at: Date | null;
  finished_at: Date | null;
  /** What becomes of the video's source when all is made of it. */
  source: Generated<SourceFate>;
}

export interface TranscodeTasksTable {
  id: string;
  job_id: string;
  kind: TaskKind;
  spec: ColumnType<TaskSpec, string, string>;
  /** Names of those that need it. */
  renditions: Generated<string[]>;
  state: Generated<JobState>;
  /** Lower ones first. */
  priority: number;
  /** Its share of the job's work, against the other tasks'. */
  weight: number;
  progress: Generated<number>;
  /** That failed, or whose worker was lost. */
  attempts: Generated<number>;
  /** Grows with every lease: a late worker can commit nothing. */
  fence: Generated<number>;
  worker_id: string | null;
  worker_name: string | null;
  /** Of the latest attempt that failed. */
  reason: string | null;
  due_at: Generated<Date>;
  lease_expires_at: Date | null;
  created_at: Generated<Date>;
  started_at: Date | null;
  finished_at: Date | null;
}

/** Objects that leased tasks write; when they are committed, their rows go. */
export interface TranscodeOutputsTable {
  object_id: string;
  task_id: string;
  fence: number;
  name: string;
  content_type: string;
  size: Generated<number>;
  chunk_count: Generated<number>;
}

export interface TranscodeRenditionsTable {
  job_id: string;
  name: string;
  kind: 'video' | 'audio';
  rendition_id: string;
  pieces: number;
  pieces_done: Generated<number>;
  /** Whether `renditions` has it, with its first piece. */
  is_created: Generated<boolean>;
  is_published: Generated<boolean>;
}

export interface TranscodeWorkersTable {
  id: string;
  name: string;
  concurrency: number;
  started_at: Generated<Date>;
  seen_at: Generated<Date>;
}

export interface LeasesTable {
  name: string;
  holder: string;
  expires_at: Date;
}

/** Where the ring stands; exactly one row once there is a layout. See `RingState`. */
export interface RingTable {
  singleton: Generated<boolean>;
  step: number;
  base_epoch: number;
  target_epoch: number | null;
  phases: Uint8Array | null;
  rebalance_id: string | null;
  changed_at: Generated<Date>;
}

/** Running coordinators; one whose row has expired does not write. */
export interface CoordinatorsTable {
  id: string;
  /** The latest step of the ring that it uses, with no write under way that began earlier. */
  step: number;
  /** How long its reads took to begin lately, 99th percentile. */
  read_p99_ms: number | null;
  started_at: Generated<Date>;
  expires_at: Date;
}

/** `paused`: nothing is copied. `cancelling`: on the way back. `superseded`: a further change took its place. */
export type RebalanceState = 'running' | 'paused' | 'cancelling' | 'superseded' | 'cancelled' | 'finished';

export interface RebalancesTable {
  id: string;
  state: RebalanceState;
  reason: string;
  changes: JsonColumn;
  plan: JsonColumn;
  /** What the operator had wanted before: where a cancel goes back to. */
  before_epoch: number;
  base_epoch: number;
  target_epoch: number;
  /** Null: no limit. */
  bytes_per_second: number | null;
  concurrency: number | null;
  /** How it goes, as the coordinator that runs it last said; null before it began. */
  progress: JsonColumn | null;
  /** What holds it up now. */
  error: string | null;
  created_at: Generated<Date>;
  finished_at: Date | null;
}

export interface RebalanceCopiesTable {
  rebalance_id: string;
  /** Both inclusive. */
  first_range: number;
  last_range: number;
  node_id: string;
  /** As planned. */
  chunks: number;
  bytes: number;
  copied_chunks: Generated<number>;
  copied_bytes: Generated<number>;
  done: Generated<boolean>;
}

export interface RangeChecksTable {
  range: number;
  /** Null, like `checked_at`, until the first check. */
  checked_step: number | null;
  checked_at: Date | null;
  chunks: Generated<number>;
  bytes: Generated<number>;
  missing_copies: Generated<number>;
  /** Since when a copy may be missing that the last check has not seen; null when nothing points to that. */
  suspected_at: Date | null;
  suspicion: string | null;
  /** When a check was tried and could not be completed. */
  tried_at: Date | null;
}

export interface ShortChunksTable {
  id: string;
  range: number;
  position: number;
  length: number;
  checksum: number;
  copies: number;
  found_at: Generated<Date>;
  problem: string | null;
}

export interface ClusterEventsTable {
  id: Generated<number>;
  at: Generated<Date>;
  kind: string;
  node_id: string | null;
  details: JsonColumn;
}

export type Role = 'admin' | 'uploader' | 'viewer';

export interface UsersTable {
  id: string;
  /** Trimmed and in lower case. */
  email: string;
  name: string;
  /** Argon2id, in PHC's form. */
  password_hash: string;
  role: Role;
  disabled: Generated<boolean>;
  /** Grows with everything that ends the user's access tokens; a token carries the one it was made in. */
  generation: Generated<number>;
  /** Null: what the configuration says. 0: no limit. */
  quota_bytes: number | null;
  quota_videos: number | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  last_login_at: Date | null;
}

/** A login and everything that came of it: the family of its refresh tokens. */
export interface SessionsTable {
  id: string;
  user_id: string;
  created_at: Generated<Date>;
  /** When its latest refresh token does. */
  expires_at: Date;
}

export interface RefreshTokensTable {
  /** SHA-256. */
  hash: Uint8Array;
  session_id: string;
  created_at: Generated<Date>;
  expires_at: Date;
  /** When its successor was made. */
  used_at: Date | null;
}

export interface RevocationsTable {
  kind: 'session' | 'user';
  subject: string;
  /** Tokens of a user that carry a lower one are void. */
  generation: number;
  /** When every token that it concerns has expired. */
  expires_at: Date;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  /** SHA-256. */
  hash: Uint8Array;
  scopes: string[];
  created_at: Generated<Date>;
  expires_at: Date;
  /** To the minute. */
  last_used_at: Date | null;
}

export interface SigningKeysTable {
  /** The `kid` of its tokens. */
  id: string;
  /** PEM. */
  public_key: string;
  /** See `sealKey`. */
  private_key: Uint8Array;
  created_at: Generated<Date>;
  /** When it begins to sign; it is published before. */
  active_at: Date;
  /** When nothing that it signed is believed any more; null while it has no successor. */
  expires_at: Date | null;
}

export interface RateLimitsTable {
  key: string;
  used: number;
  expires_at: Date;
}

export interface AuditEventsTable {
  id: Generated<number>;
  at: Generated<Date>;
  kind: string;
  /** The user who did it, if it was one. */
  actor_id: string | null;
  actor: string;
  /** The user whom it concerns. */
  subject_id: string | null;
  address: string | null;
  request_id: string | null;
  details: JsonColumn;
}

export interface MoviesTable {
  id: string;
  title: string;
  original_title: string | null;
  year: number | null;
  directors: string[];
  genres: string[];
  score: number | null;
  popularity: number | null;
  runtime_minutes: number | null;
  synopsis: string | null;
  poster: string | null;
  video_id: string | null;
  /** By which an import knows it again; stays what it was when the movie was made. */
  identity: string;
  /** What an import said of it, hashed; null when a person made or changed it. */
  imported: string | null;
  import_id: string | null;
  /** Grows with every change; the entity tag is made of it. */
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** How a genre is written, by what it is compared as. */
export interface MovieGenresTable {
  key: string;
  name: string;
}

/** Exactly one row. */
export interface MovieIndexTable {
  singleton: Generated<boolean>;
  version: number;
}

/** See `catalog/index/`. */
export interface MovieSegmentsTable {
  id: Generated<number>;
  /** While it waits for the end of that import. */
  import_id: string | null;
  docs: number;
  /** A bit for each movie in it that has changed or gone since; null for none. */
  dead: Uint8Array | null;
  dead_count: Generated<number>;
  created_at: Generated<Date>;
}

export interface MovieSegmentPartsTable {
  segment_id: number;
  kind: 'docs' | 'terms';
  number: number;
  data: Uint8Array;
}

export interface MovieChangesTable {
  movie_id: string;
}

export interface MovieImportsTable {
  id: string;
  mode: 'atomic' | 'keep-going';
  /** All of it counts; what is left is to be completed, not taken back. */
  committed: Generated<boolean>;
  /** Its movies up to this id are visible. */
  published_to: string | null;
  created_at: Generated<Date>;
}

export interface MovieImportUpdatesTable {
  import_id: string;
  movie_id: string;
  movie: string;
}

/** `partial`: to be a part of a `final` one, which is made of parts. */
export type UploadKind = 'whole' | 'partial' | 'final';

/** Resumable uploads; completed ones for a while. */
export interface UploadsTable {
  id: string;
  /** Null for a part that has become one. */
  object_id: string | null;
  /** Null is an operator. */
  owner_id: string | null;
  kind: UploadKind;
  /** Null as long as nobody has said. */
  length: number | null;
  /** Bytes that are stored and have rows in `chunks`. */
  received: Generated<number>;
  chunk_count: Generated<number>;
  metadata: JsonColumn;
  /** Of a final one, as the client named its parts. */
  concat: string | null;
  /** What a part has become a part of. */
  final_id: string | null;
  /** Set when it is complete. */
  video_id: string | null;
  /** The coordinator that takes its bytes, until the lock expires. */
  holder: string | null;
  /** Grows with every holder: a late one can store nothing. */
  fence: Generated<number>;
  held_since: Date | null;
  lock_expires_at: Date | null;
  expires_at: Date;
  created_at: Generated<Date>;
}

/** What an owner has and has reserved; without a row nothing. Kept by triggers and by `Quotas`. */
export interface OwnerUsageTable {
  owner_id: string;
  bytes: Generated<number>;
  videos: Generated<number>;
  reserved_bytes: Generated<number>;
  reserved_videos: Generated<number>;
}

/** What an open object may still take of its owner's quota; goes with the object, or when it is committed. */
export interface QuotaReservationsTable {
  object_id: string;
  owner_id: string;
  bytes: number;
  videos: number;
}

export interface WebhookEndpointsTable {
  id: string;
  /** Whose it is; null for the operator's. */
  owner_id: string | null;
  /** `own`: events of the owner's videos. */
  scope: WebhookScope;
  url: string;
  description: string;
  /** Null: all. */
  event_types: string[] | null;
  enabled: Generated<boolean>;
  disabled_reason: WebhookDisabledReason | null;
  /** Nothing has arrived there since; null when the last attempt did. */
  failing_since: Date | null;
  /** It has asked to be left alone until then. */
  paused_until: Date | null;
  /** Grows with every change of what its owner sets; the entity tag is made of it. */
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** What an endpoint's deliveries are signed with: one without expiry, and those that it took the place of. */
export interface WebhookSecretsTable {
  id: string;
  endpoint_id: string;
  /** See `seal`. */
  sealed: Uint8Array;
  created_at: Generated<Date>;
  expires_at: Date | null;
}

/** What happened and some endpoint wanted to know; kept for a while. */
export interface WebhookEventsTable {
  id: string;
  type: string;
  /** JSON, as it is sent, byte by byte. */
  payload: string;
  created_at: Generated<Date>;
}

/** An event on its way to an endpoint, which may be gone by now. */
export interface WebhookDeliveriesTable {
  id: string;
  endpoint_id: string;
  event_id: string;
  state: WebhookDeliveryState;
  /** Begun so often, and so often since it was last asked for: the schedule goes by the latter. */
  attempts: Generated<number>;
  tries: Generated<number>;
  /** Not to be tried before. */
  due_at: Date;
  /** The coordinator that tries it, until the lease runs out. */
  holder: string | null;
  lease_expires_at: Date | null;
  attempted_at: Date | null;
  /** Of the last attempt; null when there was no answer. */
  status_code: number | null;
  error: string | null;
  /** The beginning of the answer's body. */
  response: string | null;
  duration_ms: number | null;
  created_at: Generated<Date>;
}

/** What endpoints were last told of nodes; one without a row is up. */
export interface WebhookNodeHealthTable {
  node_id: string;
  health: 'up' | 'down';
  /** The coordinator that saw it. */
  seen_by: string;
  changed_at: Date;
}

/** Written as text, read as what it says. */
export type JsonColumn = ColumnType<unknown, string, string>;

/**
 * Failures that speak about the database and not about a statement arrive as `database_unavailable`. PGlite has
 * one connection: inside a transaction use that transaction only, or the two wait for each other.
 */
export type Database = Kysely<Schema>;
export type Transaction = KyselyTransaction<Schema>;
