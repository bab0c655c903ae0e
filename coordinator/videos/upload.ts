import type { Readable } from 'node:stream';
import type { Visibility } from '../database/schema.ts';

/** What a client says about the bytes it sends. Whatever is absent is decided by the service. */
export interface UploadMetadata {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** Sanitized. */
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly visibility?: Visibility | undefined;
  /** SHA-256 values that the bytes must have. */
  readonly digests: readonly Uint8Array[];
}

/** An upload in any form that a client may choose. */
export interface Upload {
  /** The video has at least so many bytes; with `isExact` neither more nor fewer. */
  readonly announced: { readonly bytes: number; readonly isExact: boolean };
  /** The video's bytes. Ends or fails; destroying it is the client's or the transport's business, not the reader's. */
  readonly body: Readable;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /**
   * To be called once after the body has ended: reads what follows it, and resolves with the metadata when the
   * whole request has arrived as announced. Otherwise rejects, and nothing may be kept.
   */
  finish(): Promise<UploadMetadata>;
  /** Lets go of the request; what is still to come of it is nobody's. To be called at the end in any case. */
  release(): void;
}
