import { attachmentFieldsSchema, attachmentListSchema, attachmentSchema } from '../../attachments/schema.ts';
import {
  completingSchema,
  directUploadSchema,
  newDirectUploadSchema,
  partsQuerySchema,
} from '../../direct-uploads/schema.ts';
import { importSchema, newImportSchema } from '../../imports/schema.ts';
import { contentQuerySchema, videoSchema } from '../../videos/schema.ts';
import { group } from '../description.ts';
import { CREATED_AT, VIDEO, VIDEO_ID } from '../examples.ts';

const UPLOAD_ID = '019bcb56-4d20-7a6c-8f11-7c2b9e0d5a44';
const IMPORT_ID = '019bcb57-1a30-7b7d-9e22-8d3cae1e6b55';
const MIB_8 = 8_388_608;

const UPLOAD = {
  id: UPLOAD_ID,
  state: 'open',
  videoId: null,
  size: 10_000_000,
  partSize: MIB_8,
  partCount: 2,
  expiresAt: CREATED_AT,
  parts: {
    items: [
      {
        index: 1,
        offset: MIB_8,
        length: 10_000_000 - MIB_8,
        url: 'http://10.0.0.7:5001/parts/9af3b21c/019bcb564d207a6c8f117c2b9e0d5a44-00000001a1b2c300?x-expires=1768645800&x-claims=e30&x-signature=c2ln',
        expiresAt: CREATED_AT,
      },
    ],
    nextCursor: null,
  },
  links: {
    self: `/api/v1/uploads/direct/${UPLOAD_ID}`,
    complete: `/api/v1/uploads/direct/${UPLOAD_ID}/complete`,
  },
};

const ATTACHMENT = {
  name: 'en.vtt',
  kind: 'captions',
  language: 'en',
  label: 'English',
  contentType: 'text/vtt; charset=utf-8',
  size: 48_211,
  sha256: VIDEO.sha256,
  createdAt: CREATED_AT,
  links: { self: `/api/v1/videos/${VIDEO_ID}/attachments/en.vtt` },
};

const IMPORT = {
  id: IMPORT_ID,
  state: 'running',
  url: 'https://films.example/holiday.mp4',
  receivedBytes: 5_000_000,
  totalBytes: 10_000_000,
  attempts: 1,
  error: null,
  videoId: null,
  createdAt: CREATED_AT,
  links: { self: `/api/v1/imports/${IMPORT_ID}`, video: null },
};

/** Whatever writes to storage nodes. */
const WRITE_ERRORS = [
  'write_quorum_unavailable',
  'insufficient_storage',
  'cluster_not_ready',
  'upload_expired',
] as const;
const KEY_ERRORS = ['invalid_request', 'request_in_progress', 'idempotency_key_reused'] as const;

export const DIRECT_UPLOADS = group({
  tag: 'Direct uploads',
  description:
    'Other ways in: bytes that go straight to the storage nodes, and videos that are fetched from URLs.',
  operations: {
    'POST /api/v1/uploads/direct': {
      summary: 'Begin an upload whose parts go straight to the storage nodes',
      details:
        'Each part is PUT to its `url`, in any order, and again if need be; then `complete` makes the video.',
      requestHeaders: ['Idempotency-Key'],
      body: newDirectUploadSchema,
      bodyExample: { size: 10_000_000, filename: 'holiday.mp4', contentType: 'video/mp4' },
      status: 201,
      answer: directUploadSchema,
      answerExample: UPLOAD,
      answerHeaders: ['Location', 'Cache-Control'],
      errors: [
        'quota_exceeded',
        'body_too_large',
        'write_quorum_unavailable',
        'cluster_not_ready',
        ...KEY_ERRORS,
      ],
    },
    'GET /api/v1/uploads/direct/{id}': {
      pathExample: { id: UPLOAD_ID },
      summary: 'The missing parts of a direct upload, with fresh addresses',
      query: partsQuerySchema,
      queryExample: { limit: '128' },
      status: 200,
      answer: directUploadSchema,
      answerExample: UPLOAD,
      answerHeaders: ['Cache-Control'],
      errors: ['upload_not_found', 'write_quorum_unavailable', 'cluster_not_ready'],
    },
    'DELETE /api/v1/uploads/direct/{id}': {
      pathExample: { id: UPLOAD_ID },
      summary: 'Give a direct upload up',
      status: 204,
      errors: ['upload_not_found', 'upload_completed'],
    },
    'POST /api/v1/uploads/direct/{id}/complete': {
      pathExample: { id: UPLOAD_ID },
      summary: 'Make a video of the parts of a direct upload',
      details: 'May be repeated, and gives the same video.',
      status: 201,
      answer: videoSchema,
      answerExample: VIDEO,
      answerHeaders: ['Location', 'ETag'],
      also: {
        200: {
          description: 'The video was there already.',
          answer: videoSchema,
          answerExample: VIDEO,
          answerHeaders: ['Location', 'ETag'],
        },
        202: {
          description: 'It takes longer: ask again.',
          answer: completingSchema,
          answerExample: { id: UPLOAD_ID, state: 'completing' },
        },
      },
      errors: [
        ...([
          'upload_not_found',
          'parts_missing',
          'digest_mismatch',
          'chunk_unavailable',
          'too_busy',
        ] as const),
        ...WRITE_ERRORS,
      ],
    },

    'POST /api/v1/videos/import': {
      summary: 'Have a video fetched from a URL',
      requestHeaders: ['Idempotency-Key'],
      body: newImportSchema,
      bodyExample: { url: IMPORT.url, visibility: 'unlisted' },
      status: 202,
      answer: importSchema,
      answerExample: IMPORT,
      answerHeaders: ['Location'],
      errors: ['import_refused', 'too_many_requests', ...KEY_ERRORS],
    },
    'GET /api/v1/imports/{id}': {
      pathExample: { id: IMPORT_ID },
      summary: 'How far an import is',
      status: 200,
      answer: importSchema,
      answerExample: IMPORT,
      answerHeaders: ['Cache-Control'],
      errors: ['import_not_found'],
    },
    'DELETE /api/v1/imports/{id}': {
      pathExample: { id: IMPORT_ID },
      summary: 'Cancel an import',
      status: 204,
      errors: ['import_not_found', 'conflict'],
    },
  },
});

export const ATTACHMENTS = group({
  tag: 'Attachments',
  description: 'Captions (WebVTT; SubRip is converted), posters (JPEG, PNG, WebP) and PDFs of a video.',
  operations: {
    'GET /api/v1/videos/{id}/attachments': {
      pathExample: { id: VIDEO_ID },
      summary: 'What is attached to a video',
      status: 200,
      answer: attachmentListSchema,
      answerExample: { items: [ATTACHMENT], nextCursor: null },
      errors: ['video_not_found'],
    },
    'GET /api/v1/videos/{id}/attachments/{name}': {
      pathExample: { id: VIDEO_ID, name: 'en.vtt' },
      summary: 'The bytes of an attachment, or ranges of them',
      query: contentQuerySchema,
      queryExample: { download: '1' },
      requestHeaders: ['Range', 'If-Range', 'If-None-Match', 'If-Match'],
      status: 200,
      answer: '*/*',
      answerHeaders: [
        'ETag',
        'Last-Modified',
        'Accept-Ranges',
        'Content-Length',
        'Content-Disposition',
        'Repr-Digest',
      ],
      also: {
        206: { description: 'The bytes that `Range` asked for.', answer: '*/*' },
        304: { description: 'Nothing has changed.' },
      },
      errors: [
        ...([
          'video_not_found',
          'attachment_not_found',
          'precondition_failed',
          'range_not_satisfiable',
        ] as const),
        ...(['chunk_unavailable', 'cluster_not_ready', 'too_busy', 'invalid_request'] as const),
      ],
    },
    'PUT /api/v1/videos/{id}/attachments/{name}': {
      pathExample: { id: VIDEO_ID, name: 'en.vtt' },
      summary: 'Attach a file, or replace one',
      details: 'What it is its bytes tell, whatever it is called.',
      query: attachmentFieldsSchema,
      queryExample: { language: 'en', label: 'English' },
      requestHeaders: ['If-Match', 'If-None-Match', 'Content-Digest', 'Repr-Digest'],
      body: ['text/vtt', 'application/x-subrip', 'image/*', 'application/pdf'],
      status: 201,
      answer: attachmentSchema,
      answerExample: ATTACHMENT,
      answerHeaders: ['Location', 'ETag'],
      also: {
        200: {
          description: 'It took the place of another.',
          answer: attachmentSchema,
          answerExample: ATTACHMENT,
          answerHeaders: ['ETag'],
        },
      },
      errors: [
        ...([
          'video_not_found',
          'empty_body',
          'incomplete_body',
          'digest_malformed',
          'request_timeout',
        ] as const),
        ...([
          'body_too_large',
          'unsupported_media_type',
          'digest_mismatch',
          'invalid_captions',
          'conflict',
        ] as const),
        ...(['too_many_attachments', 'quota_exceeded', 'too_busy'] as const),
        ...WRITE_ERRORS,
      ],
    },
    'DELETE /api/v1/videos/{id}/attachments/{name}': {
      pathExample: { id: VIDEO_ID, name: 'en.vtt' },
      summary: 'Remove an attachment',
      requestHeaders: ['If-Match'],
      status: 204,
      errors: ['video_not_found', 'attachment_not_found', 'conflict', 'invalid_request', ...WRITE_ERRORS],
    },
  },
});
