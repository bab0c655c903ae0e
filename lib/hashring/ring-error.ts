export type RingErrorCode = 'infeasible' | 'invalid_members' | 'invalid_options' | 'corrupt_table';

/**
 * What the ring refuses. `infeasible`: no layout satisfies the request (too few members or zones); the
 * previous layout is untouched. `invalid_members` and `invalid_options`: the caller's input is malformed.
 * `corrupt_table`: encoded bytes, or a layout built from them, break the format.
 */
export class RingError extends Error {
  override readonly name = 'RingError';
  readonly code: RingErrorCode;

  constructor(code: RingErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
