import { z } from 'zod';
import { invalidRequest, parseFields } from '../parse-fields.ts';
import { parseMediaType } from '../videos/media-type.ts';
import { uploadFieldsSchema, type visibilitySchema } from '../videos/schema.ts';
import { METADATA_LENGTH_MAX } from './limits.ts';

/** What a client said about an upload when it began; JSON. */
export interface UploadDescription {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** Sanitized. */
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly visibility?: z.infer<typeof visibilitySchema> | undefined;
  /** `Upload-Metadata` as it came, to be given back. */
  readonly raw?: string | undefined;
}

/** `GET /uploads/{id}`. */
export const uploadSchema = z.object({
  id: z.uuid(),
  state: z.enum(['open', 'complete', 'joined']),
  kind: z.enum(['whole', 'partial', 'final']),
  /** Bytes that are stored safely. */
  offset: z.int(),
  length: z.int().nullable(),
  expiresAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  /** The video that a complete upload has become. */
  videoId: z.uuid().nullable(),
  /** What a part has become a part of. */
  finalId: z.uuid().nullable(),
  links: z.object({ video: z.string().nullable() }),
});
export type UploadJson = z.infer<typeof uploadSchema>;

/**
 * `Upload-Metadata`: pairs of a key and a value in Base64, divided by commas. The keys `filename`, `filetype`, `title`,
 * `description` and `visibility` mean what they say, `name` and `type` what some clients call the first two; others are
 * kept and mean nothing. Throws `invalid_request`.
 */
export function parseMetadata(header: string | undefined): UploadDescription {
  if (header === undefined) return {};
  if (header.length > METADATA_LENGTH_MAX)
    throw malformed(`is longer than ${METADATA_LENGTH_MAX} characters`);
  const pairs = new Map<string, string>();
  for (const part of header.split(',')) {
    const [key = '', value = '', ...more] = part.trim().split(' ');
    if (key === '' && value === '') continue;
    if (more.length > 0 || pairs.has(key))
      throw malformed(`has no key and value, or one twice, in "${part.trim()}"`);
    pairs.set(key, decode(key, value));
  }
  const { title, description, visibility } = Object.fromEntries(pairs);
  const fields = parseFields(uploadFieldsSchema, {
    ...given({ title, description, visibility }),
    ...given({ filename: pairs.get('filename') ?? pairs.get('name') }),
  });
  const type = pairs.get('filetype') ?? pairs.get('type');
  return { ...fields, contentType: type === undefined ? undefined : parseMediaType(type), raw: header };
}

function decode(key: string, value: string): string {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(value)) {
    throw malformed(`has a value of "${key}" that is not Base64`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'base64'));
  } catch {
    throw malformed(`has a value of "${key}" that is not UTF-8`);
  }
}

function given(fields: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function malformed(problem: string) {
  return invalidRequest([{ field: 'Upload-Metadata', message: problem }]);
}
