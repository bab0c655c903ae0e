/** Every code the public API can answer with, and its status. A code is part of the API: never rename one. */
export const STATUS_OF = {
  invalid_request: 400,
  invalid_json: 400,
  empty_body: 400,
  incomplete_body: 400,
  digest_malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  insufficient_scope: 403,
  not_found: 404,
  video_not_found: 404,
  node_not_found: 404,
  rebalance_not_found: 404,
  request_timeout: 408,
  conflict: 409,
  node_already_registered: 409,
  node_identity_mismatch: 409,
  node_foreign_cluster: 409,
  node_in_use: 409,
  too_few_nodes: 409,
  zones_impossible: 409,
  insufficient_room: 409,
  nothing_to_do: 409,
  upload_expired: 409,
  precondition_failed: 412,
  body_too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  digest_mismatch: 422,
  node_unreachable: 422,
  internal: 500,
  copy_incomplete: 503,
  cluster_not_ready: 503,
  chunk_unavailable: 503,
  write_quorum_unavailable: 503,
  database_unavailable: 503,
  too_busy: 503,
  insufficient_storage: 507,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof STATUS_OF;

export function statusOf(code: string): number | undefined {
  return Object.hasOwn(STATUS_OF, code) ? STATUS_OF[code as ErrorCode] : undefined;
}
