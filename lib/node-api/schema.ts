import { z } from 'zod';
import { CHUNK_ID_PATTERN, DIGEST_PATTERN, parseChecksum, parsePosition } from './targets.ts';

const hexPosition = z.string().refine((text) => parsePosition(text) !== undefined, 'expected 8 hex digits');
const hexChecksum = z.string().refine((text) => parseChecksum(text) !== undefined, 'expected 8 hex digits');
const count = z.int().nonnegative();

/** `POST /chunks/{position}/{id}`: fetch the chunk's bytes from `source` and store them. */
export const pullChunkSchema = z.strictObject({
  /** Absolute http URL that answers a plain GET with exactly `length` bytes. */
  source: z.url({ protocol: /^http$/ }),
  length: z.int().positive(),
  checksum: hexChecksum,
});
export type PullChunk = z.infer<typeof pullChunkSchema>;

/** One line of a range listing, ordered by position, then id. */
export const chunkEntrySchema = z.object({
  position: hexPosition,
  id: z.string().regex(CHUNK_ID_PATTERN),
  length: z.int().positive(),
  checksum: hexChecksum,
  /** Milliseconds since the epoch by the node's clock. */
  createdAt: count,
});
export type ChunkEntryLine = z.infer<typeof chunkEntrySchema>;

/** `GET /ranges/{first}-{last}?digest=1`. */
export const rangeDigestSchema = z.object({
  count,
  bytes: count,
  /** SHA-256 (hex) over "position id length checksum\n" of every chunk in listing order. */
  digest: z.string().regex(DIGEST_PATTERN),
});
export type RangeDigest = z.infer<typeof rangeDigestSchema>;

/** Ranges in one `POST /ranges/digests`. */
export const DIGESTED_RANGES_MAX = 256;

/** `POST /ranges/digests`: the digests of many ranges at once, each as `first-last`. */
export const digestRangesSchema = z.strictObject({
  ranges: z
    .array(z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{8}$/))
    .min(1)
    .max(DIGESTED_RANGES_MAX),
});
export type DigestRanges = z.infer<typeof digestRangesSchema>;

/** Its answer, in the order of the request. */
export const rangeDigestsSchema = z.object({ digests: z.array(rangeDigestSchema) });

/** `POST /ranges/{first}-{last}/pull`: copy what the source node has in that range and this one lacks. */
export const pullRangeSchema = z.strictObject({
  /** Base URL of the source node. */
  source: z.url({ protocol: /^http$/ }),
  /** Go on behind this cursor of an earlier pull's progress. */
  after: z.string().max(100).optional(),
  bytesPerSecond: z.int().positive().optional(),
  /** Chunks fetched at a time; does not count short ones, of which more are. */
  concurrency: z.int().min(1).max(16).default(3),
});
export type PullRange = z.infer<typeof pullRangeSchema>;

/** A line of the NDJSON stream that answers a range pull; `done` or `error` marks the last one. */
export const pullProgressSchema = z.object({
  copied: count,
  copiedBytes: count,
  /** Chunks that were here already. */
  present: count,
  /**
   * Chunks passed over because the source has no sound copy of what it lists, or this node another chunk with that
   * id. They have to come from elsewhere. An older node ends the pull instead.
   */
  failed: count.default(0),
  /** Ids of the first of them. */
  failedChunks: z.array(z.string().regex(CHUNK_ID_PATTERN)).max(20).default([]),
  /** Up to here every chunk of the listing is here or has failed; the `after` of a pull that goes on. */
  cursor: z.string().nullable(),
  done: z.boolean().optional(),
  error: z.object({ code: z.string(), detail: z.string() }).optional(),
});
export type PullProgress = z.infer<typeof pullProgressSchema>;

/**
 * `DELETE /ranges/{first}-{last}`. With `?digest=` of an earlier `rangeDigestSchema` it drops exactly the chunks that
 * have that digest together: 409 `digest_mismatch`, with the current one as `digest`, when the range holds others.
 */
export const dropResultSchema = z.object({ deleted: count, bytes: count });
export type DropResult = z.infer<typeof dropResultSchema>;

/** Chunks in one `POST /chunks/stat`, so that the request stays short. */
export const STATED_CHUNKS_MAX = 200;

/** `POST /chunks/stat`: which of these chunks are here, each as `{position}/{id}`. */
export const statChunksSchema = z.strictObject({
  chunks: z
    .array(z.string().regex(/^[0-9a-f]{8}\/[0-9a-z][0-9a-z-]{7,63}$/))
    .min(1)
    .max(STATED_CHUNKS_MAX),
});
export type StatChunks = z.infer<typeof statChunksSchema>;

/** Its answer, in the order of the request: length and checksum, or null for a chunk that is not here. */
export const statedChunksSchema = z.object({
  chunks: z.array(z.tuple([z.int().positive(), hexChecksum]).nullable()),
});
export type StatedChunks = z.infer<typeof statedChunksSchema>;

/** `PUT /parts/{position}/{id}`: the answer to a client that sent a part of a direct upload. */
export const storedPartSchema = z.object({
  result: z.enum(['created', 'exists']),
  /** Nodes that have it on disk by now. */
  copies: z.int().positive(),
  checksum: hexChecksum,
});
export type StoredPart = z.infer<typeof storedPartSchema>;

/** Chunks in one `POST /digests/{session}`, so that the request stays short. */
export const HASHED_CHUNKS_MAX = 64;

/**
 * `POST /digests/{session}`: goes on with the SHA-256 of an object by its next chunks, wherever they lie. The session is a
 * UUID that whoever asks makes up; `at` 0 begins it anew.
 */
export const hashChunksSchema = z.strictObject({
  /** Bytes of the object that the session has hashed. */
  at: count,
  /** Base URLs of nodes that may have chunks. */
  nodes: z.array(z.url({ protocol: /^http$/ })).max(64),
  chunks: z
    .array(
      z.strictObject({
        position: hexPosition,
        id: z.string().regex(CHUNK_ID_PATTERN),
        length: z.int().positive(),
        checksum: hexChecksum,
        /** Who to ask, in this order, by the index in `nodes`. */
        holders: z.array(count).max(16),
      }),
    )
    .min(1)
    .max(HASHED_CHUNKS_MAX),
  /** Nothing follows: the session is forgotten. */
  last: z.boolean(),
});
export type HashChunks = z.infer<typeof hashChunksSchema>;

/** Its answer: how many bytes the session has hashed, and the SHA-256 of them. */
export const hashedSchema = z.object({ at: count, sha256: z.string().regex(DIGEST_PATTERN) });
export type Hashed = z.infer<typeof hashedSchema>;

/** `POST /identity`: claims the node for a cluster; 409 `foreign_cluster` when it belongs to another. */
export const claimSchema = z.strictObject({ clusterId: z.uuid() });
export type Claim = z.infer<typeof claimSchema>;

/** `GET /healthz`; needs no signature. */
export const nodeHealthSchema = z.object({
  status: z.literal('ok'),
  nodeId: z.uuid(),
  /**
   * Names the data under the node. It changes when chunks may be missing that were there before: the directory
   * was emptied or restored, the index was lost or rebuilt, or start-up found entries without their bytes.
   */
  dataId: z.uuid(),
});
export type NodeHealth = z.infer<typeof nodeHealthSchema>;

const instant = z.iso.datetime();

/**
 * Where the scrub, which verifies everything a node stores again and again, stands. `paused`: somebody said so.
 * `idle`: a pass is done and the next one not due. `off`: its rate is 0.
 */
export const scrubStateSchema = z.enum(['idle', 'running', 'paused', 'off']);
export type ScrubState = z.infer<typeof scrubStateSchema>;

/** `GET /scrub`, and the answer to `POST /scrub`. */
export const scrubStatusSchema = z.object({
  state: scrubStateSchema,
  /** Start of the pass that runs, or else of the last one. */
  passStartedAt: instant.nullable(),
  lastFinishedAt: instant.nullable(),
  /** When the pass began that ended at `lastFinishedAt`: all that was stored before has been verified since. */
  lastFinishedStartedAt: instant.nullable(),
  /** Of that pass, by position: 0 to 1. */
  progress: z.number().min(0).max(1),
  checkedChunks: count,
  checkedBytes: count,
  /** Whatever was not sound since the start of the pass, also where it could be put right. */
  foundCorrupt: count,
  bytesPerSecond: count,
});
export type ScrubStatus = z.infer<typeof scrubStatusSchema>;

/** `POST /scrub`: `start` begins a new pass at once. `bytesPerSecond` holds until the node restarts. */
export const scrubControlSchema = z.strictObject({
  action: z.enum(['start', 'pause', 'resume']),
  bytesPerSecond: z.int().positive().optional(),
});
export type ScrubControl = z.infer<typeof scrubControlSchema>;

/** `POST /chunks/{position}/{id}/verify`: reads the whole chunk from the disk. */
export const verifyAnswerSchema = z.object({ result: z.enum(['ok', 'absent', 'quarantined']) });
export type VerifyAnswer = z.infer<typeof verifyAnswerSchema>;

/** One line of `GET /quarantine`, ordered by position, then id. */
export const quarantinedChunkSchema = z.object({
  position: hexPosition,
  id: z.string().regex(CHUNK_ID_PATTERN),
  /** Null when it is not known. */
  length: count.nullable(),
  reason: z.string(),
  /** When the chunk was set aside, by the node's clock. */
  at: instant,
});
export type QuarantinedChunkLine = z.infer<typeof quarantinedChunkSchema>;

/** `GET /stats`. What an older node lacks is optional. */
export const nodeStatsSchema = z.object({
  nodeId: z.uuid(),
  clusterId: z.uuid().nullable(),
  /** See `nodeHealthSchema`. */
  dataId: z.uuid().optional(),
  startedAt: z.iso.datetime(),
  capacityBytes: count,
  /** Chunk bytes and index overhead that count against the capacity, reservations of running writes included. */
  usedBytes: count,
  chunkCount: count,
  /** Chunks set aside because their bytes failed verification. */
  quarantinedCount: count,
  /** When one was last set aside, no two at the same time; null when none was that is still known of. By the node's clock. */
  lastQuarantinedAt: instant.nullable().optional(),
  /** Chunks found since the node started whose entry was there, but not their bytes. */
  lostCount: count.optional(),
  /** Entries that were looked up or passed over in the index since the node started. */
  indexReads: count.optional(),
  disk: z.enum(['ok', 'full', 'failing']),
  scrub: scrubStatusSchema.pick({ state: true, lastFinishedAt: true, foundCorrupt: true }).optional(),
});
export type NodeStats = z.infer<typeof nodeStatsSchema>;
