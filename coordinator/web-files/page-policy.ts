/**
 * What the page may do. Scripts, styles and fonts come from this server alone, none of them inline. Requests go to this
 * server and to the storage nodes, which take parts of uploads and send videos. Posters of movies may lie anywhere.
 */
export function pagePolicy(nodeOrigins: readonly string[], isEmbeddable: boolean): string {
  const nodes = [...new Set(nodeOrigins)].join(' ');
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data: blob: http: https:",
    `media-src 'self' blob: ${nodes}`.trimEnd(),
    `connect-src 'self' ${nodes}`.trimEnd(),
    "worker-src 'self'",
    "manifest-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    `frame-ancestors ${isEmbeddable ? '*' : "'none'"}`,
    "require-trusted-types-for 'script'",
  ].join('; ');
}
