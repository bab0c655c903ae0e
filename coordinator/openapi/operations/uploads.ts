import { DRAFT_CONTENT_TYPE } from '../../uploads/draft-headers.ts';
import { uploadSchema } from '../../uploads/schema.ts';
import { TUS_CONTENT_TYPE } from '../../uploads/tus-headers.ts';
import { videoSchema } from '../../videos/schema.ts';
import { group } from '../description.ts';
import { CREATED_AT, LATER, VIDEO, VIDEO_ID } from '../examples.ts';

const FOUND = ['upload_not_found', 'upload_gone', 'upload_locked', 'tus_version_unsupported'] as const;

const STORED = [
  'invalid_request',
  'empty_body',
  'incomplete_body',
  'request_timeout',
  'digest_malformed',
  'digest_mismatch',
  'checksum_unsupported',
  'checksum_mismatch',
  'upload_length_changed',
  'upload_too_long',
  'upload_taken_over',
  'body_too_large',
  'quota_exceeded',
  'unsupported_media_type',
  'write_quorum_unavailable',
  'insufficient_storage',
  'cluster_not_ready',
] as const;

const ADDED = {
  requestHeaders: [
    'Tus-Resumable',
    'Upload-Offset',
    'Upload-Length',
    'Upload-Checksum',
    'Upload-Complete',
    'Upload-Draft-Interop-Version',
    'Content-Digest',
  ],
  status: 204,
  answerHeaders: ['Upload-Offset', 'Upload-Expires', 'Upload-Complete', 'Upload-Limit', 'Orbitvids-Video-Id'],
  also: {
    201: {
      description: 'Draft: the upload is complete',
      answer: videoSchema,
      answerExample: VIDEO,
      answerHeaders: ['Location', 'ETag', 'Upload-Complete', 'Upload-Offset', 'Orbitvids-Video-Id'],
    },
  },
  errors: [
    ...FOUND,
    ...STORED,
    'upload_offset_mismatch',
    'upload_completed',
    'upload_final',
    'upload_joined',
  ],
} as const;

export const UPLOADS = group({
  tag: 'Uploads',
  description:
    'Uploads that go on after the connection broke, on any coordinator: [tus 1.0.0](https://tus.io/protocols/resumable-upload) (requests with `Tus-Resumable`) and the IETF’s *Resumable Uploads for HTTP*, draft 12. What is said to be received is on the disks of a write quorum of storage nodes.',
  operations: {
    'POST /api/v1/uploads': {
      summary: 'Begin a resumable upload',
      details:
        'With `Tus-Resumable`: `Upload-Length` or `Upload-Defer-Length`, `Upload-Metadata`, `Upload-Concat`; the first bytes may come along. With `Upload-Complete`: the draft; the body is the video, or its beginning, and the query and headers say of it what those of `POST /videos` do. What the upload is going to take is reserved of the quota.',
      requestHeaders: [
        'Tus-Resumable',
        'Upload-Length',
        'Upload-Defer-Length',
        'Upload-Metadata',
        'Upload-Concat',
        'Upload-Checksum',
        'Upload-Complete',
        'Upload-Draft-Interop-Version',
        'Content-Disposition',
        'Content-Digest',
        'Idempotency-Key',
      ],
      body: [TUS_CONTENT_TYPE, 'application/octet-stream', 'video/*'],
      status: 201,
      answerHeaders: [
        'Location',
        'Upload-Offset',
        'Upload-Expires',
        'Upload-Complete',
        'Upload-Limit',
        'Orbitvids-Video-Id',
      ],
      errors: [
        ...STORED,
        'tus_version_unsupported',
        'upload_not_found',
        'upload_incomplete',
        'upload_joined',
        'upload_gone',
        'request_in_progress',
        'idempotency_key_reused',
      ],
    },
    'GET /api/v1/uploads/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'How far an upload is',
      details: 'Unlike `HEAD` it does not end a request that adds to the upload.',
      status: 200,
      answer: uploadSchema,
      answerExample: {
        id: VIDEO_ID,
        state: 'open',
        kind: 'whole',
        offset: 1_048_576,
        length: 7_340_032,
        expiresAt: LATER,
        createdAt: CREATED_AT,
        videoId: null,
        finalId: null,
        links: { video: null },
      },
      answerHeaders: ['Cache-Control'],
      errors: ['upload_not_found', 'upload_gone'],
    },
    'HEAD /api/v1/uploads/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'Where an upload goes on',
      details:
        'A request that still adds to the upload is ended, and what came of it is stored before the answer. With tus the status is 200. When the upload is complete the answer names the video.',
      requestHeaders: ['Tus-Resumable'],
      status: 204,
      answerHeaders: [
        'Upload-Offset',
        'Upload-Length',
        'Upload-Expires',
        'Upload-Complete',
        'Upload-Limit',
        'Orbitvids-Video-Id',
      ],
      errors: [...FOUND, 'write_quorum_unavailable', 'insufficient_storage', 'cluster_not_ready'],
    },
    'PATCH /api/v1/uploads/{id}': {
      pathExample: { id: VIDEO_ID },
      ...ADDED,
      summary: 'Add bytes to an upload',
      details:
        'Whatever ends the request early, what came is kept, unless a checksum says otherwise. With its last byte the upload becomes a video.',
      body: [TUS_CONTENT_TYPE, DRAFT_CONTENT_TYPE],
    },
    'DELETE /api/v1/uploads/{id}': {
      pathExample: { id: VIDEO_ID },
      summary: 'Give an upload up',
      details: 'With all that came of it. A video that it has become stays.',
      requestHeaders: ['Tus-Resumable'],
      status: 204,
      errors: [...FOUND, 'upload_joined', 'upload_taken_over'],
    },
    'POST /api/v1/uploads/{id}': {
      pathExample: { id: VIDEO_ID },
      ...ADDED,
      summary: 'Another method, as a header says',
      details: 'For clients in whose way something lets only GET and POST pass.',
      requestHeaders: [...ADDED.requestHeaders, 'X-HTTP-Method-Override'],
      body: [TUS_CONTENT_TYPE, DRAFT_CONTENT_TYPE],
    },
  },
});
