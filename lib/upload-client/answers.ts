import { z } from 'zod';

/** What the client reads of the API's answers; members that it does not know are left alone. */
export const partSchema = z.object({
  index: z.int().nonnegative(),
  offset: z.int().nonnegative(),
  length: z.int().positive(),
  url: z.string(),
});
export type Part = z.infer<typeof partSchema>;

export const uploadSchema = z.object({
  id: z.string(),
  state: z.enum(['open', 'complete']),
  size: z.int().positive(),
  partSize: z.int().positive(),
  partCount: z.int().positive(),
  parts: z.object({ items: z.array(partSchema), nextCursor: z.string().nullable() }),
});
export type UploadAnswer = z.infer<typeof uploadSchema>;

export const videoSchema = z.object({
  id: z.string(),
  title: z.string(),
  size: z.int().positive(),
  sha256: z.string().nullable(),
  links: z.object({ content: z.string() }),
});
export type UploadedVideo = z.infer<typeof videoSchema>;

/** A problem document (RFC 9457), as far as it is read. */
const problemSchema = z.object({
  code: z.string(),
  detail: z.string().optional(),
  missing: z.array(z.int()).optional(),
});

/** The server said no, or the connection failed (`status` 0). */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly status: number;
  readonly code: string;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    {
      status,
      code,
      retryAfterMs,
      cause,
    }: { status: number; code: string; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause });
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** What a failed answer says. */
export async function errorOf(response: Response): Promise<UploadError> {
  const text = await response.text().catch(() => '');
  const problem = problemSchema.safeParse(parse(text));
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new UploadError(problem.data?.detail ?? `The server answered ${response.status}.`, {
    status: response.status,
    code: problem.data?.code ?? '',
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
