import type { IncomingMessage } from 'node:http';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import { parseFields } from '../parse-fields.ts';
import { sanitizeFilename, suggestedFilename } from './filename.ts';
import { assertWhole } from './parse-request.ts';
import { uploadFieldsSchema } from './schema.ts';
import type { Upload } from './upload.ts';

/** An upload whose body is the video itself; everything about it stands in the headers and the query. */
export function openRawUpload(
  incoming: IncomingMessage,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Upload {
  const { headers } = incoming;
  const { title, description, filename, visibility } = query;
  const fields = parseFields(uploadFieldsSchema, { title, description, filename, visibility });
  const suggested = suggestedFilename(headers['content-disposition']);
  const metadata = {
    ...fields,
    filename: fields.filename ?? (suggested === undefined ? undefined : sanitizeFilename(suggested)),
    contentType: headers['content-type'],
    digests: claimedDigests({
      'content-digest': headers['content-digest'],
      'repr-digest': headers['repr-digest'],
    }),
  };
  const length = headers['content-length'];
  return {
    announced: { bytes: Number(length ?? 1), isExact: length !== undefined },
    body: incoming,
    signal,
    async finish() {
      assertWhole(incoming);
      return metadata;
    },
    release() {},
  };
}
