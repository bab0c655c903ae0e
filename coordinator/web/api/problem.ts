/** The server said no (RFC 9457), or could not be reached (`status` 0). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  /** What is wrong with which field, when that is the matter. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];
  /** All of the problem document. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryAfterS: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    retryAfterS?: number,
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.fields = fieldsOf(details.errors);
    this.retryAfterS = retryAfterS;
  }
}

export function unreachable(cause: unknown): Problem {
  const problem = new Problem(0, 'unreachable', 'The server cannot be reached.');
  problem.cause = cause;
  return problem;
}

/** What a failed answer says. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '');
  const details = parseObject(text);
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new Problem(
    response.status,
    typeof details.code === 'string' ? details.code : `http_${response.status}`,
    typeof details.detail === 'string' ? details.detail : `The server answered ${response.status}.`,
    details,
    Number.isFinite(seconds) ? seconds : undefined,
  );
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function fieldsOf(errors: unknown): Problem['fields'] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(
    (entry): entry is { field: string; message: string } =>
      typeof entry === 'object' && entry !== null && 'field' in entry && 'message' in entry,
  );
}
