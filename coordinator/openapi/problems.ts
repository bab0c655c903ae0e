import { type ErrorCode, STATUS_OF } from '../errors.ts';
import { type AnswerHeader, headersOf } from './headers.ts';

type Json = Readonly<Record<string, unknown>>;

/** What each code says, in the words of an answer that has it. */
const DETAILS: Readonly<Record<ErrorCode, string>> = {
  invalid_request: 'title: Too small: expected string to have >=1 characters',
  invalid_json: 'The body is not valid JSON.',
  empty_body: 'The request has no body.',
  incomplete_body: 'The body ended before it was complete.',
  digest_malformed: 'Content-Digest is not of the form sha-256=:...:.',
  upload_length_changed: 'The upload has 7340032 bytes by what was said before, and 7340033 by this request.',
  checksum_unsupported:
    'Upload-Checksum has to be one of sha1, md5, sha256, sha512, crc32, and its value in Base64.',
  upload_final: 'The upload is made of others; nothing can be added to it.',
  upload_not_found: 'There is no upload 019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11.',
  unauthorized: 'This needs an account or a token: Authorization: Bearer <token>.',
  forbidden: 'This account may not do that.',
  login_failed: 'The e-mail address or the password is wrong.',
  insufficient_scope: 'The API key is not for this: it lacks videos:write.',
  account_disabled: 'This account is disabled.',
  registration_closed: 'Only administrators make accounts here.',
  cross_site_request: 'A request with a cookie that changes something has to come from a page of this site.',
  not_found: 'Nothing answers GET /api/v1/nothing.',
  attachment_not_found: 'The video has no attachment of that name.',
  rendition_not_found: 'The video has no rendition 019bcb57-5a30-7e11-8c2d-6f4b1a9e0d37, or not any more.',
  job_not_found: 'There is no job 019bcb58-2b40-7c8e-8f33-9e4dbf2f7c66.',
  lease_lost: 'The task is not, or not any more, this worker’s.',
  job_running: 'The video is being transcoded; cancel that first.',
  source_required: 'This takes the bytes that were uploaded, and they were dropped after the transcoding.',
  source_dropped:
    'The bytes that were uploaded were dropped after the transcoding. The video is played by what `links.hls` names.',
  import_not_found: 'There is no such import, or not any more.',
  webhook_not_found: 'There is no webhook 019bcb58-6f10-7a4e-8d21-0c9b7e5a3f66.',
  delivery_not_found: 'There is no delivery 019bcb59-1b20-7c5f-9e32-1dac8f6b4077, or not any more.',
  too_many_webhooks: 'One has at most 10; delete another one first.',
  webhook_refused: 'The address of the URL is not a public one.',
  parts_missing: 'Not all parts are stored; `missing` names them.',
  request_in_progress: 'The first request with this `Idempotency-Key` is under way.',
  idempotency_key_reused: 'Another request had this `Idempotency-Key`.',
  too_many_attachments: 'The video has as many attachments as it may.',
  invalid_captions: 'The captions are not WebVTT or SubRip; `line` says where.',
  import_refused: 'That URL is not fetched.',
  import_failed: 'The other server did not give the file.',
  video_not_found: 'There is no video 019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11.',
  movie_not_found: 'There is no movie 019bcb55-2c10-7d42-9e61-0b7a3c5d8f44.',
  user_not_found: 'There is no such user.',
  api_key_not_found: 'There is no such API key.',
  node_not_found: 'No storage node 019bcb40-11d2-7a3b-8c21-5a0e6f0d9c02 is registered.',
  rebalance_not_found: 'There is no rebalance 019bcb52-90ab-7f10-b3d4-2c5e8a7f6b33.',
  method_not_allowed: '/api/v1/videos answers GET, POST, HEAD, OPTIONS, and not PUT.',
  request_timeout: 'The body did not arrive within 30000 ms.',
  conflict: 'Somebody else has changed it just now.',
  email_taken: 'There is an account with this e-mail address.',
  last_admin: 'This is the last administrator.',
  node_already_registered: 'The node is registered at http://10.0.0.7:5001 and still answers there.',
  node_identity_mismatch:
    'At http://10.0.0.7:5001 answers another node than the active one that is registered there.',
  node_foreign_cluster: 'The node belongs to another cluster.',
  node_in_use: 'The node is active and owns ranges of the ring. Drain it first.',
  too_few_nodes: '2 nodes would remain for 3 copies of each chunk. Add 1 more before you take this away.',
  zones_impossible: 'No layout fits these nodes: a zone would hold too much.',
  insufficient_room: '1 of the remaining nodes would have too little room; nothing was moved.',
  nothing_to_do: 'Everything is as wanted already.',
  upload_expired: 'The upload took longer than its lease lasts; nothing was stored.',
  upload_offset_mismatch: 'The upload has 1048576 bytes; the request begins at 0.',
  upload_completed: 'The upload is complete; nothing can be added to it.',
  upload_incomplete: 'The upload 019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11 is not a part that is complete.',
  upload_joined: 'The upload has become a part of another one.',
  upload_taken_over: 'Another request came for this upload, and this one ended for it.',
  upload_gone: 'The upload has expired.',
  tus_version_unsupported: 'A tus request has to say Tus-Resumable: 1.0.0.',
  import_running: 'Another import is running.',
  import_rejected: 'Nothing was changed: 1 movies cannot be taken.',
  precondition_failed: 'The video is not in the state that the request names.',
  body_too_large: 'The body is longer than the limit of 1099511627776 bytes.',
  quota_exceeded:
    'The quota is 10000000 bytes: 7340032 are stored, 0 reserved by uploads under way, and 7340032 more are wanted.',
  upload_too_long: 'The upload was to have 7340032 bytes; this would be more.',
  unsupported_media_type: 'Send the body as application/json.',
  range_not_satisfiable: 'The video has 7340032 bytes; none of them is asked for.',
  digest_mismatch: 'The body has another SHA-256 than Content-Digest says.',
  upload_locked: 'Another request adds to this upload and does not end.',
  checksum_mismatch:
    'The bytes that arrived do not have the checksum that they should. Nothing of them was kept.',
  node_unreachable: 'The node at http://10.0.0.7:5001 does not answer.',
  too_many_requests: 'Too many attempts; try again in 60 s.',
  internal: 'The server met an unexpected condition. The request id identifies it in the log.',
  copy_incomplete: 'A copy could not be completed.',
  cluster_not_ready: 'The cluster has no layout yet: too few storage nodes have registered.',
  chunk_unavailable: 'No storage node can serve these bytes now.',
  write_quorum_unavailable: 'Fewer than 2 storage nodes can take the data now. Nothing was stored.',
  database_unavailable: 'The database does not answer.',
  too_busy: 'Too much at a time; try again.',
  insufficient_storage: 'The storage nodes have no room for this upload.',
};

const HEADERS: Readonly<Record<number, readonly AnswerHeader[]>> = {
  401: ['WWW-Authenticate'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

/** RFC 9457, with this API's own members. */
export const PROBLEM: Json = {
  type: 'object',
  description: 'What went wrong (RFC 9457). Some codes bring members of their own.',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri', description: '`urn:orbitvids:problem:` and the code.' },
    title: { type: 'string', description: 'The code in words.' },
    status: { type: 'integer', description: 'As in the status line.' },
    detail: { type: 'string', description: 'This very case, for people.' },
    code: { type: 'string', description: 'Stable; what programs should look at.' },
    requestId: { type: 'string', description: 'Names the request in the log.' },
    errors: {
      type: 'array',
      description: 'Of `invalid_request`: every field that is wrong.',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
  additionalProperties: true,
};

/** An answer for each status that the codes have, with the codes and an example of each. */
export function problemAnswers(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(codes, (code) => STATUS_OF[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, alike]) => {
      const schema = {
        allOf: [
          { $ref: '#/components/schemas/Problem' },
          { type: 'object', properties: { code: { enum: alike } } },
        ],
      };
      const examples = Object.fromEntries(
        alike.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
      );
      const answer = {
        description: alike.map((code) => `\`${code}\``).join(', '),
        headers: headersOf(HEADERS[status]),
        content: { 'application/problem+json': { schema, examples } },
      };
      return [status, answer];
    }),
  );
}

/** For `components/examples`: one for each code. */
export function problemExamples(): Json {
  const codes = Object.keys(STATUS_OF) as ErrorCode[];
  return Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }]));
}

function exampleOf(code: ErrorCode): Json {
  const words = code.replaceAll('_', ' ');
  return {
    type: `urn:orbitvids:problem:${code}`,
    title: words.charAt(0).toUpperCase() + words.slice(1),
    status: STATUS_OF[code],
    detail: DETAILS[code],
    code,
    requestId: 'b0c6a6a1-5c8e-4d0d-a0f0-0f7e3a5c2d11',
    ...(code === 'invalid_request' && {
      errors: [{ field: 'title', message: 'Too small: expected string to have >=1 characters' }],
    }),
  };
}
