import type { z } from 'zod';
import { attachmentFieldsSchema, attachmentListSchema, attachmentSchema } from '../attachments/schema.ts';
import type { Operation } from '../auth/access.ts';
import {
  apiKeyListSchema,
  auditListJsonSchema,
  auditListSchema,
  createdApiKeySchema,
  loginAnswerSchema,
  loginSchema,
  logoutSchema,
  meSchema,
  newApiKeySchema,
  newUserSchema,
  passwordChangeSchema,
  playbackAnswerSchema,
  playbackSchema,
  refreshSchema,
  registrationSchema,
  userChangesSchema,
  userListJsonSchema,
  userListSchema,
  userSchema,
} from '../auth/schema.ts';
import { locateSchema, registrationSchema as nodeSchema, ringSchema } from '../cluster/schema.ts';
import { directUploadSchema, newDirectUploadSchema, partsQuerySchema } from '../direct-uploads/schema.ts';
import { importSchema, newImportSchema } from '../imports/schema.ts';
import {
  limitsSchema,
  listSchema,
  nodeEditSchema,
  nodeRemovalSchema,
  planSchema,
  rebalanceSchema,
} from '../rebalance/schema.ts';
import { shortListSchema } from '../repair/schema.ts';
import {
  contentQuerySchema,
  listQuerySchema,
  uploadFieldsSchema,
  videoChangesSchema,
  videoListSchema,
  videoSchema,
} from '../videos/schema.ts';

/** What an operation takes and answers with; who may call it stands in `auth/access.ts`. */
export interface Description {
  readonly summary: string;
  readonly query?: z.ZodType;
  /** A JSON body, or the media types of another one. */
  readonly body?: z.ZodType | readonly string[];
  /** Of success. */
  readonly status: number;
  /** A JSON answer, or the media type of another one; absent: no body. */
  readonly answer?: z.ZodType | 'object' | 'text/plain' | 'text/event-stream' | '*/*';
}

/** The compiler sees to it that nothing is left out. */
export const DESCRIPTIONS: Readonly<Record<Operation, Description>> = {
  'GET /healthz': { summary: 'Whether the process lives', status: 200, answer: 'object' },
  'GET /readyz': { summary: 'Whether it can serve', status: 200, answer: 'object' },
  'GET /metrics': { summary: 'Metrics for Prometheus', status: 200, answer: 'text/plain' },
  'GET /openapi.json': { summary: 'This document', status: 200, answer: 'object' },
  'GET /.well-known/jwks.json': {
    summary: 'The public keys of access tokens',
    status: 200,
    answer: 'object',
  },

  'POST /api/v1/auth/register': {
    summary: 'Make an account',
    body: registrationSchema,
    status: 201,
    answer: userSchema,
  },
  'POST /api/v1/auth/login': {
    summary: 'Log in',
    body: loginSchema,
    status: 200,
    answer: loginAnswerSchema,
  },
  'POST /api/v1/auth/refresh': {
    summary: 'Exchange a refresh token for the next one and an access token',
    body: refreshSchema,
    status: 200,
    answer: loginAnswerSchema,
  },
  'POST /api/v1/auth/logout': { summary: 'End a login, or all', body: logoutSchema, status: 204 },
  'GET /api/v1/auth/me': { summary: 'Who makes the request', status: 200, answer: meSchema },
  'POST /api/v1/auth/password': {
    summary: 'Change one’s own password',
    body: passwordChangeSchema,
    status: 204,
  },

  'GET /api/v1/users': {
    summary: 'Find users',
    query: userListSchema,
    status: 200,
    answer: userListJsonSchema,
  },
  'POST /api/v1/users': { summary: 'Make a user', body: newUserSchema, status: 201, answer: userSchema },
  'GET /api/v1/users/{id}': { summary: 'A user', status: 200, answer: userSchema },
  'PATCH /api/v1/users/{id}': {
    summary: 'Change a user',
    body: userChangesSchema,
    status: 200,
    answer: userSchema,
  },
  'DELETE /api/v1/users/{id}': { summary: 'Delete a user', status: 204 },

  'GET /api/v1/api-keys': { summary: 'One’s own API keys', status: 200, answer: apiKeyListSchema },
  'POST /api/v1/api-keys': {
    summary: 'Make an API key',
    body: newApiKeySchema,
    status: 201,
    answer: createdApiKeySchema,
  },
  'DELETE /api/v1/api-keys/{id}': { summary: 'Delete an API key', status: 204 },

  'POST /api/v1/videos': {
    summary: 'Upload a video',
    query: uploadFieldsSchema,
    body: ['*/*', 'multipart/form-data'],
    status: 201,
    answer: videoSchema,
  },
  'GET /api/v1/videos': {
    summary: 'Videos, newest first',
    query: listQuerySchema,
    status: 200,
    answer: videoListSchema,
  },
  'GET /api/v1/videos/{id}': { summary: 'A video', status: 200, answer: videoSchema },
  'PATCH /api/v1/videos/{id}': {
    summary: 'Change a video',
    body: videoChangesSchema,
    status: 200,
    answer: videoSchema,
  },
  'DELETE /api/v1/videos/{id}': { summary: 'Delete a video', status: 204 },
  'GET /api/v1/videos/{id}/content': {
    summary: 'The bytes of a video, or ranges of them',
    query: contentQuerySchema,
    status: 200,
    answer: '*/*',
  },
  'HEAD /api/v1/videos/{id}/content': {
    summary: 'What a video’s bytes are',
    query: contentQuerySchema,
    status: 200,
  },
  'POST /api/v1/videos/{id}/playback-url': {
    summary: 'An address that plays a video without an account',
    body: playbackSchema,
    status: 200,
    answer: playbackAnswerSchema,
  },

  'GET /api/v1/videos/{id}/attachments': {
    summary: 'Captions, posters and documents of a video',
    status: 200,
    answer: attachmentListSchema,
  },
  'GET /api/v1/videos/{id}/attachments/{name}': {
    summary: 'The bytes of an attachment, or ranges of them',
    query: contentQuerySchema,
    status: 200,
    answer: '*/*',
  },
  'PUT /api/v1/videos/{id}/attachments/{name}': {
    summary: 'Attach WebVTT or SubRip captions, an image or a PDF; 200 when it takes the place of another',
    query: attachmentFieldsSchema,
    body: ['*/*'],
    status: 201,
    answer: attachmentSchema,
  },
  'DELETE /api/v1/videos/{id}/attachments/{name}': { summary: 'Remove an attachment', status: 204 },

  'POST /api/v1/videos/import': {
    summary: 'Have a video fetched from a URL',
    body: newImportSchema,
    status: 202,
    answer: importSchema,
  },
  'GET /api/v1/imports/{id}': { summary: 'How far an import is', status: 200, answer: importSchema },
  'DELETE /api/v1/imports/{id}': { summary: 'Cancel an import', status: 204 },

  'POST /api/v1/uploads/direct': {
    summary: 'Begin an upload whose parts go straight to the storage nodes',
    body: newDirectUploadSchema,
    status: 201,
    answer: directUploadSchema,
  },
  'GET /api/v1/uploads/direct/{id}': {
    summary: 'The missing parts of a direct upload, with fresh addresses',
    query: partsQuerySchema,
    status: 200,
    answer: directUploadSchema,
  },
  'DELETE /api/v1/uploads/direct/{id}': { summary: 'Give a direct upload up', status: 204 },
  'POST /api/v1/uploads/direct/{id}/complete': {
    summary: 'Make a video of the parts of a direct upload; 202 when it takes longer, to be asked again',
    status: 201,
    answer: videoSchema,
  },

  'GET /api/v1/admin/nodes': { summary: 'Storage nodes', status: 200, answer: 'object' },
  'POST /api/v1/admin/nodes': {
    summary: 'Register a storage node',
    body: nodeSchema,
    status: 201,
    answer: 'object',
  },
  'POST /api/v1/admin/nodes/plan': {
    summary: 'What changes of nodes would move',
    body: planSchema,
    status: 200,
    answer: 'object',
  },
  'PATCH /api/v1/admin/nodes/{id}': {
    summary: 'Change a storage node',
    body: nodeEditSchema,
    status: 202,
    answer: 'object',
  },
  'DELETE /api/v1/admin/nodes/{id}': {
    summary: 'Remove a storage node',
    query: nodeRemovalSchema,
    status: 202,
    answer: 'object',
  },
  'GET /api/v1/admin/rebalances': {
    summary: 'Rebalances, newest first',
    query: listSchema,
    status: 200,
    answer: 'object',
  },
  'POST /api/v1/admin/rebalances': {
    summary: 'Change several nodes at once',
    body: rebalanceSchema,
    status: 202,
    answer: 'object',
  },
  'GET /api/v1/admin/rebalances/{id}': { summary: 'A rebalance', status: 200, answer: 'object' },
  'PATCH /api/v1/admin/rebalances/{id}': {
    summary: 'Limit a rebalance',
    body: limitsSchema,
    status: 200,
    answer: 'object',
  },
  'POST /api/v1/admin/rebalances/{id}/pause': {
    summary: 'Hold a rebalance',
    status: 202,
    answer: 'object',
  },
  'POST /api/v1/admin/rebalances/{id}/resume': {
    summary: 'Go on with a rebalance',
    status: 202,
    answer: 'object',
  },
  'POST /api/v1/admin/rebalances/{id}/cancel': {
    summary: 'Take a rebalance back',
    status: 202,
    answer: 'object',
  },
  'GET /api/v1/admin/repair': { summary: 'Whether every copy is there', status: 200, answer: 'object' },
  'POST /api/v1/admin/repair': { summary: 'Check everything now', status: 202, answer: 'object' },
  'GET /api/v1/admin/repair/chunks': {
    summary: 'Chunks with too few copies',
    query: shortListSchema,
    status: 200,
    answer: 'object',
  },
  'GET /api/v1/admin/events': {
    summary: 'What happens to nodes, ring and copies',
    status: 200,
    answer: 'text/event-stream',
  },
  'GET /api/v1/admin/audit': {
    summary: 'What happened to accounts, newest first',
    query: auditListSchema,
    status: 200,
    answer: auditListJsonSchema,
  },
  'POST /api/v1/admin/signing-keys/revoke': {
    summary: 'Void every access token and signed address',
    status: 204,
  },
  'GET /api/v1/admin/cluster': { summary: 'The cluster in numbers', status: 200, answer: 'object' },
  'GET /api/v1/admin/ring': {
    summary: 'Who owns what',
    query: ringSchema,
    status: 200,
    answer: 'object',
  },
  'GET /api/v1/admin/ring/locate': {
    summary: 'Where a key lies',
    query: locateSchema,
    status: 200,
    answer: 'object',
  },
};
