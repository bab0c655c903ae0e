import { followQuerySchema } from '../../live/schema.ts';
import {
  contentQuerySchema,
  listQuerySchema,
  uploadFieldsSchema,
  videoChangesSchema,
  videoListSchema,
  videoSchema,
} from '../../videos/schema.ts';
import { type Description, group } from '../description.ts';
import { VIDEO, VIDEO_ID } from '../examples.ts';

const CONTENT = {
  query: contentQuerySchema,
  queryExample: { download: '1' },
  requestHeaders: [
    'Range',
    'If-Range',
    'If-None-Match',
    'If-Match',
    'If-Modified-Since',
    'If-Unmodified-Since',
  ],
  status: 200,
  answerHeaders: [
    'ETag',
    'Last-Modified',
    'Accept-Ranges',
    'Content-Length',
    'Content-Disposition',
    'Repr-Digest',
    'Cache-Control',
  ],
  errors: [
    'video_not_found',
    'source_dropped',
    'precondition_failed',
    'range_not_satisfiable',
    'chunk_unavailable',
    'cluster_not_ready',
    'too_busy',
  ],
} as const satisfies Partial<Description>;

/** Every change of a video is written to storage nodes, too. */
const RECORD_ERRORS = [
  'write_quorum_unavailable',
  'insufficient_storage',
  'cluster_not_ready',
  'upload_expired',
] as const;

const LIVE_VIDEO = {
  video: VIDEO,
  etag: '"v1.0a1B2c3D"',
  job: {
    id: '019bcb58-2b40-7c8e-8f33-9e4dbf2f7c66',
    state: 'running',
    progress: 0.42,
    reason: null,
    renditions: [{ name: '480p', kind: 'video', progress: 0.5, isPublished: false }],
  },
};

export const VIDEOS = group({
  tag: 'Videos',
  description:
    'Stored videos: `public`, `unlisted` (for who knows the id) or `private` (for the owner and administrators; for everybody else they are not there).',
  operations: {
    'POST /api/v1/videos': {
      summary: 'Upload a video',
      details:
        'The body is the file, of whatever media type, or a form with one file. 201 means that every byte is on the disks of a write quorum of storage nodes.',
      query: uploadFieldsSchema,
      queryExample: { title: 'A walk by the sea', filename: 'holiday.mp4', visibility: 'public' },
      requestHeaders: ['Content-Disposition', 'Content-Digest', 'Repr-Digest', 'Idempotency-Key'],
      body: ['application/octet-stream', 'video/*', 'multipart/form-data'],
      form: uploadFieldsSchema,
      status: 201,
      answer: videoSchema,
      answerExample: VIDEO,
      answerHeaders: ['Location', 'ETag'],
      errors: [
        'empty_body',
        'incomplete_body',
        'digest_malformed',
        'request_timeout',
        'body_too_large',
        'unsupported_media_type',
        'digest_mismatch',
        'quota_exceeded',
        'request_in_progress',
        'idempotency_key_reused',
        ...RECORD_ERRORS,
      ],
    },
    'GET /api/v1/videos': {
      summary: 'Videos, newest first',
      details: 'What is public and one’s own; administrators see all.',
      query: listQuerySchema,
      queryExample: { limit: '20', owner: VIDEO.ownerId },
      status: 200,
      answer: videoListSchema,
      answerExample: {
        items: [VIDEO],
        nextCursor: 'bWtpNWcxYTAuMDE5YmNiNGUtN2ExMC03YzNlLTlhNTQtM2YxZjBmNmQyYjEx',
      },
    },
    'GET /api/v1/videos/events': {
      summary: 'How videos are, as it changes',
      details:
        'Server-sent events without an end. `event: video` has in `data` how a video is now: `{video, etag, job}`, where `video` is what `GET /videos/{id}` answers and `job` its latest transcoding with the progress of each rendition, or null. `event: gone` has `{id}`: the video was deleted, or may not be read. Each named video is told at first, of `owner=me` those that are being processed; then whatever changes, the latest state alone. Nothing that was missed is told later: whoever comes back is told how things are. A stream ends after 15 minutes at the latest, when its credentials are not good any more, or when its client does not read; come again with fresh ones then.',
      query: followQuerySchema,
      queryExample: { video: VIDEO_ID },
      status: 200,
      answer: 'text/event-stream',
      answerExample: `event: video\ndata: ${JSON.stringify(LIVE_VIDEO)}\n\n`,
      errors: ['too_many_requests', 'too_busy'],
    },
    'GET /api/v1/videos/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'A video',
      requestHeaders: ['If-None-Match', 'If-Match'],
      status: 200,
      answer: videoSchema,
      answerExample: VIDEO,
      answerHeaders: ['ETag', 'Cache-Control'],
      also: { 304: { description: 'The client has it', answerHeaders: ['ETag', 'Cache-Control'] } },
      errors: ['video_not_found'],
    },
    'PATCH /api/v1/videos/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'Change a video',
      requestHeaders: ['If-Match'],
      body: videoChangesSchema,
      bodyExample: { title: 'A walk by the sea, in January', visibility: 'unlisted' },
      status: 200,
      answer: videoSchema,
      answerExample: { ...VIDEO, title: 'A walk by the sea, in January', visibility: 'unlisted' },
      answerHeaders: ['ETag'],
      errors: ['empty_body', 'forbidden', 'video_not_found', 'user_not_found', ...RECORD_ERRORS],
    },
    'DELETE /api/v1/videos/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'Delete a video',
      requestHeaders: ['If-Match'],
      status: 204,
      errors: ['forbidden', 'video_not_found'],
    },
    'GET /api/v1/videos/{id}/content': {
      pathExample: { id: VIDEO_ID },
      ...CONTENT,
      summary: 'The bytes of a video, or ranges of them',
      details:
        'A body is never short and never wrong: verified bytes, or a cut connection. Several ranges are answered as `multipart/byteranges`.',
      answer: '*/*',
      also: {
        206: {
          description: 'The ranges asked for',
          answer: '*/*',
          answerHeaders: [...CONTENT.answerHeaders, 'Content-Range'],
        },
        304: { description: 'The client has it', answerHeaders: ['ETag', 'Cache-Control', 'Last-Modified'] },
      },
    },
    'HEAD /api/v1/videos/{id}/content': {
      pathExample: { id: VIDEO_ID },
      ...CONTENT,
      summary: 'What a video’s bytes are',
      details: 'As `GET`, without the bytes; `Range` means nothing here.',
      requestHeaders: ['If-None-Match', 'If-Match', 'If-Modified-Since', 'If-Unmodified-Since'],
      also: {
        304: { description: 'The client has it', answerHeaders: ['ETag', 'Cache-Control', 'Last-Modified'] },
      },
    },
  },
});
