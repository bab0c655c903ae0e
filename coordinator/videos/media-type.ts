import { fileTypeFromBuffer } from 'file-type';
import { CONTENT_TYPE_LENGTH_MAX } from './limits.ts';

export const OCTET_STREAM = 'application/octet-stream';

const MEDIA_TYPE =
  /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+(?:[ \t]*;[ \t]*[!#$%&'*+.^_`|~\w-]+=(?:[!#$%&'*+.^_`|~\w-]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"))*$/;

/** Types that say nothing about the bytes. The form type is what `curl --data-binary` calls everything. */
const MEANINGLESS = new Set([OCTET_STREAM, 'binary/octet-stream', 'application/x-www-form-urlencoded']);

/** Older or odd names of the library, and the names that players know. */
const COMMON_NAMES: Readonly<Record<string, string>> = {
  'video/MP1S': 'video/mpeg',
  'video/MP2P': 'video/mpeg',
  'application/vnd.ms-asf': 'video/x-ms-asf',
};

/** Types that a browser would run as a page or a script of this origin, or takes apart itself. */
const ACTIVE =
  /^(?:text\/(?:html|xml|xsl|css|x-component|\w*-?(?:java|ecma|j|live)script[\d.]*)|application\/(?:xml|x-?shockwave-flash|(?:x-)?(?:java|ecma)script|wasm|xslt)|multipart\/.*|message\/.*|.*\/.*\+xml|.*\/.*(?:html|svg|mhtml|xml-dtd).*)$/;

/** The text when it is a well-formed media type (RFC 9110 section 8.3.1), otherwise undefined. */
export function parseMediaType(text: string): string | undefined {
  const trimmed = text.trim();
  return trimmed.length <= CONTENT_TYPE_LENGTH_MAX && MEDIA_TYPE.test(trimmed) ? trimmed : undefined;
}

/** Type and subtype in lower case, without parameters. */
export function essenceOf(mediaType: string): string {
  return mediaType.split(';', 1)[0]!.trim().toLowerCase();
}

/** The given type when it says something, otherwise what the first bytes say. */
export async function decideMediaType(
  given: string | undefined,
  head: () => Uint8Array | Promise<Uint8Array>,
): Promise<string> {
  const type = given === undefined ? undefined : parseMediaType(given);
  return type !== undefined && !MEANINGLESS.has(essenceOf(type)) ? type : sniffMediaType(await head());
}

/** What kind of file begins with these bytes (4 KiB are enough); `application/octet-stream` when nobody knows. */
export async function sniffMediaType(head: Uint8Array): Promise<string> {
  try {
    const found = await fileTypeFromBuffer(head);
    return found === undefined ? OCTET_STREAM : (COMMON_NAMES[found.mime] ?? found.mime);
  } catch {
    // A file that only looks like a known kind may break its parser; that must not fail an upload.
    return OCTET_STREAM;
  }
}

/** The type to answer with: the stored one unless it could act in the name of this origin. */
export function servedMediaType(stored: string): string {
  return ACTIVE.test(essenceOf(stored)) ? OCTET_STREAM : stored;
}
