/** Every code a storage node can answer with, and its status. A code is part of the API: never rename one. */
export const STATUS_OF = {
  invalid_request: 400,
  invalid_json: 400,
  digest_malformed: 400,
  incomplete_body: 400,
  signature_missing: 401,
  signature_expired: 401,
  signature_invalid: 403,
  wrong_node: 403,
  not_found: 404,
  chunk_not_found: 404,
  request_timeout: 408,
  chunk_conflict: 409,
  foreign_cluster: 409,
  digest_mismatch: 409,
  session_lost: 409,
  length_required: 411,
  body_too_large: 413,
  range_not_satisfiable: 416,
  checksum_mismatch: 422,
  client_gone: 499,
  internal: 500,
  chunk_corrupt: 500,
  source_failed: 502,
  source_missing: 502,
  disk_failing: 503,
  too_busy: 503,
  write_quorum_unavailable: 503,
  server_stopping: 503,
  source_stalled: 504,
  insufficient_storage: 507,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof STATUS_OF;

export function statusOf(code: string): number | undefined {
  return Object.hasOwn(STATUS_OF, code) ? STATUS_OF[code as ErrorCode] : undefined;
}
