import { z } from 'zod';

/**
 * What coordinators ask of transcode workers, and what they get back. Times in a video are whole ticks of its
 * `timescale` (ticks a second), counted from the first moment that is shown: all renditions of a video, whoever made
 * them, agree on them to the tick.
 */

const ticks = z.int().nonnegative();
const timescale = z.int().min(1).max(1_000_000_000);
const pixels = z.int().min(1).max(65_535);
/** Files may say anything; what databases cannot store of it is left out. */
export const storableText = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .overwrite((text) => text.replaceAll('\0', '').toWellFormed());
const text = storableText(200);

/** The pictures of a file. */
export const videoTrackSchema = z.strictObject({
  codec: text,
  profile: text.nullable(),
  /** As they are stored; `rotation` turns them. */
  width: pixels,
  height: pixels,
  /** Clockwise, degrees. */
  rotation: z.union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)]),
  /** Width of a stored pixel divided by its height. */
  pixelAspect: z.number().positive(),
  /** Pictures a second on average; null when there is one picture. */
  frameRate: z.number().positive().nullable(),
  isVariableFrameRate: z.boolean(),
  bitDepth: z.int().min(1).max(32).nullable(),
  /** How bright pictures are coded: `sdr`, `pq` (HDR10) or `hlg`. */
  range: z.enum(['sdr', 'pq', 'hlg']),
  bitRate: z.int().positive().nullable(),
});
export const audioTrackSchema = z.strictObject({
  /** Place among the audio tracks of the file. */
  index: z.int().nonnegative(),
  codec: text,
  channels: z.int().min(1).max(64),
  sampleRate: z.int().min(1).max(1_000_000),
  language: storableText(35).nullable(),
  title: text.nullable(),
  isDefault: z.boolean(),
  bitRate: z.int().positive().nullable(),
});

/** What a file is. */
export const probeSchema = z.strictObject({
  /** FFmpeg's name of the container: `mov,mp4,m4a,3gp,3g2,mj2`. */
  container: text,
  durationSeconds: z.number().nonnegative(),
  sizeBytes: z.int().positive(),
  bitRate: z.int().positive().nullable(),
  /** Null: nothing but sound. */
  video: videoTrackSchema.nullable(),
  audio: z.array(audioTrackSchema).max(64),
});

/** Where the segments of every video rendition begin and the last one ends, so at least two ascending values from 0 on. */
export const segmentPlanSchema = z.strictObject({
  timescale,
  boundaries: z.array(ticks).min(2).max(100_000),
});

/** How one rendition is encoded. */
export const videoRungSchema = z.strictObject({
  /** The rendition's name: `720p`. */
  name: text,
  /** Even; what is shown, so of a turned video already turned. Pixels are square. */
  width: pixels,
  height: pixels,
  /** Pictures beyond this many a second are left out. */
  frameRateMax: z.number().positive(),
  /** Constant rate factor of x264, and the rate above which it is not let: bits a second. */
  crf: z.number().min(0).max(51),
  bitRateMax: z.int().positive(),
  preset: z.string().regex(/^[a-z]+$/),
});

/** One media rendition's share of what a task made; appended to its output in this order, nothing between. */
export const pieceSchema = z.strictObject({
  /** Name of the output (see `TaskContext.openOutput`) that has the segments' bytes. */
  output: text,
  /** The initialization segment of CMAF: `ftyp` and `moov`, base64. */
  init: z.base64().max(64 * 1024),
  /** Of durations here, ticks a second. */
  timescale,
  /** Of each segment. */
  durations: z.array(z.int().positive()).min(1).max(100_000),
  /** Bytes of each segment in the output; of a virtual rendition, of each recipe (see `recipe.ts`). */
  lengths: z.array(z.int().positive()).min(1).max(100_000),
  /** Bytes of each segment as it is served; only of a virtual rendition, elsewhere the same as `lengths`. */
  servedLengths: z.array(z.int().positive()).min(1).max(100_000).optional(),
});

/** What a playlist says of a rendition (RFC 8216), as far as it does not follow from its pieces. */
export const videoFormatSchema = z.strictObject({
  /** RFC 6381. */
  codecs: text,
  width: pixels,
  height: pixels,
  frameRate: z.number().positive(),
});
export const audioFormatSchema = z.strictObject({
  codecs: text,
  channels: z.int().min(1).max(64),
  sampleRate: z.int().positive(),
});

/** A picture or a text about a video. */
export const pictureSchema = z.strictObject({
  output: text,
  /** As it is served below the video: `poster.jpg`, `storyboard.vtt`, `storyboard-1.jpg`, `preview.webp`. */
  name: z.string().regex(/^[a-z0-9-]{1,40}\.(jpg|webp|vtt)$/),
  contentType: z.enum(['image/jpeg', 'image/webp', 'text/vtt']),
  width: pixels.nullable(),
  height: pixels.nullable(),
});

const taskBase = { taskId: z.uuid(), videoId: z.uuid(), sourceBytes: z.int().positive() };

export const taskSchema = z.discriminatedUnion('kind', [
  /** Says what the source is, how it is to be cut, and, when browsers play it as it is, makes it playable at once. */
  z.strictObject({ kind: z.literal('inspect'), ...taskBase }),
  /**
   * Copies the source's own pictures and sound, which browsers play, out of a container that they do not play (or that
   * cannot be served from where it lies), without encoding.
   */
  z.strictObject({
    kind: z.literal('copy'),
    ...taskBase,
    probe: probeSchema,
    video: z.boolean(),
    audio: z.array(z.int()),
  }),
  /** Encodes the segments from `firstSegment` on, `segmentCount` of them, for every rung, decoding once. */
  z.strictObject({
    kind: z.literal('encode'),
    ...taskBase,
    probe: probeSchema,
    plan: segmentPlanSchema,
    firstSegment: z.int().nonnegative(),
    segmentCount: z.int().positive(),
    rungs: z.array(videoRungSchema).min(1).max(8),
  }),
  /** Encodes one audio track from beginning to end. */
  z.strictObject({
    kind: z.literal('audio'),
    ...taskBase,
    probe: probeSchema,
    /** Of the segments that the pictures have, as near as audio frames allow; null when there are no pictures. */
    plan: segmentPlanSchema.nullable(),
    track: z.int().nonnegative(),
    channels: z.int().min(1).max(2),
    bitRate: z.int().positive(),
  }),
  /** Poster, storyboard and preview. */
  z.strictObject({ kind: z.literal('pictures'), ...taskBase, probe: probeSchema }),
]);

/** A rendition that a task made, or its part of it. */
const madeVideoSchema = z.strictObject({ name: text, format: videoFormatSchema, piece: pieceSchema });
const madeAudioSchema = z.strictObject({
  name: text,
  track: z.int().nonnegative(),
  format: audioFormatSchema,
  piece: pieceSchema,
});

export const resultSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('inspect'),
    probe: probeSchema,
    /** Null when there are no pictures. */
    plan: segmentPlanSchema.nullable(),
    /** Renditions whose bytes stay in the source; their outputs hold recipes. Both null: something must be made first. */
    video: madeVideoSchema.nullable(),
    audio: z.array(madeAudioSchema).max(64),
    /** Tracks that browsers play but that cannot be served from where they lie: a `copy` makes them playable. */
    copyable: z.strictObject({ video: z.boolean(), audio: z.array(z.int().nonnegative()).max(64) }),
  }),
  z.strictObject({
    kind: z.literal('copy'),
    plan: segmentPlanSchema.nullable(),
    video: madeVideoSchema.nullable(),
    audio: z.array(madeAudioSchema).max(64),
  }),
  z.strictObject({ kind: z.literal('encode'), videos: z.array(madeVideoSchema).min(1).max(8) }),
  z.strictObject({ kind: z.literal('audio'), audio: madeAudioSchema }),
  z.strictObject({ kind: z.literal('pictures'), pictures: z.array(pictureSchema).max(64) }),
]);

export type VideoTrack = z.infer<typeof videoTrackSchema>;
export type AudioTrack = z.infer<typeof audioTrackSchema>;
export type Probe = z.infer<typeof probeSchema>;
export type SegmentPlan = z.infer<typeof segmentPlanSchema>;
export type VideoRung = z.infer<typeof videoRungSchema>;
export type Piece = z.infer<typeof pieceSchema>;
export type VideoFormat = z.infer<typeof videoFormatSchema>;
export type AudioFormat = z.infer<typeof audioFormatSchema>;
export type Picture = z.infer<typeof pictureSchema>;
export type Task = z.infer<typeof taskSchema>;
export type TaskKind = Task['kind'];
export type TaskOf<Kind extends TaskKind> = Extract<Task, { kind: Kind }>;
export type TaskResult = z.infer<typeof resultSchema>;
export type ResultOf<Kind extends TaskKind> = Extract<TaskResult, { kind: Kind }>;
export type MadeVideo = z.infer<typeof madeVideoSchema>;
export type MadeAudio = z.infer<typeof madeAudioSchema>;
