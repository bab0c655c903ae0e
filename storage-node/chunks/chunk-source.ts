/** Where chunks are pulled from: the coordinator's memory, or another node. */
export interface ChunkSource {
  /**
   * Fills `into` with the body of a GET, which must have exactly that length. Rejects with `source_missing` when
   * the source answers 404, with `source_stalled` when it stops sending, with `source_failed` for everything
   * else (`details.sourceCode` is the code that it answered, if it answered), or with the signal's reason. After a rejection the content of `into` is undefined.
   */
  fetchInto(url: string, into: Buffer, signal: AbortSignal): Promise<void>;
  /** Fetches a page of a listing: its text and the cursor of the next page. Rejects like `fetchInto`. */
  fetchPage(url: string, signal: AbortSignal): Promise<{ text: string; next: string | undefined }>;
}
