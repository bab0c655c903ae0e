import type { ByteRange } from './byte-ranges.ts';

export interface ByterangesLayout {
  readonly contentType: string;
  /** Length of the whole body. */
  readonly contentLength: number;
  /** What stands before each part's bytes. */
  readonly before: readonly string[];
  /** What stands behind the last part's bytes. */
  readonly end: string;
}

/** Lays out a multipart/byteranges body (RFC 9110 section 14.6) so that its length is known beforehand. */
export function byterangesOf(options: {
  readonly parts: readonly ByteRange[];
  readonly boundary: string;
  /** Of the representation. */
  readonly contentType: string;
  /** Of the representation. */
  readonly size: number;
}): ByterangesLayout {
  const { parts, boundary, contentType, size } = options;
  const before = parts.map(
    ({ first, last }, index) =>
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\n` +
      `Content-Type: ${contentType}\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`,
  );
  const end = `\r\n--${boundary}--\r\n`;
  const separatorBytes = before.reduce((sum, text) => sum + Buffer.byteLength(text), end.length);
  const partBytes = parts.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    contentLength: separatorBytes + partBytes,
    before,
    end,
  };
}
