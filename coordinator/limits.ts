/** Numbers that bound something and that no operator needs to change. Units are in the names. */
export const LIMITS = {
  headerBytesMax: 16 * 1024,
  headersTimeoutMs: 20_000,
  keepAliveTimeoutMs: 65_000,
  /** How long a small JSON body may take to arrive. */
  jsonBodyTimeoutMs: 15_000,
  drainTimeoutMs: 10_000,
  /** Idle connections kept to each storage node. */
  nodeConnectionsIdleMax: 64,
  nodeConnectTimeoutMs: 2000,
  /** Buffer that a read from a node lands in, one per connection. */
  readStageBytes: 256 * 1024,
  /**
   * So many connections have a buffer of this size instead: the larger the pieces, the less each byte costs. An answer
   * with 1 MiB of a chunk and its head is one read. Slow readers hold theirs for long, so more of them would cost memory for
   * little.
   */
  readLargeStageBytes: 1024 * 1024 + 4096,
  readLargeStagesMax: 16,
  /** The same for the answers of nodes that store and delete, which are a line of JSON. */
  requestStageBytes: 4096,
  /** Of a node that stores: it says nothing meanwhile, and each copy has a limit of its own. */
  nodeSilenceMaxMs: 300_000,
  /** How often every node is tried for one byte before a read fails. */
  readRoundsMax: 3,
  /**
   * Uploaded bytes between two collections of the buffers they came in. Each costs most of a millisecond however little it finds;
   * but after idle times V8 marks its whole heap, of 40 MB, for 16 MiB more.
   */
  collectEveryBytes: 8 * 1024 * 1024,
  /** Chunks of one upload that may wait for their quorum while the next one fills. */
  chunksInFlightMax: 2,
  /** A chunk that fills slowly is cut short after this while other uploads wait for memory. */
  slowChunkAfterMs: 2000,
  /** Copies still missing after a quorum get this much longer before another node takes them. */
  stragglerTimeoutMs: 3000,
  /** A receiver that takes nothing for this long does not keep a storage node waiting. */
  receiverPauseMs: 2000,
  /** How long reads took is judged over this time, and this many of the latest reads. */
  latencyWindowMs: 10_000,
  latencySamplesMax: 2048,
  /** Fewer reads than this say nothing. */
  latencySamplesMin: 50,
  /** With so many in a third of the time, that third is judged alone. */
  latencySamplesEnough: 200,
  /** Answers with a video's bytes under way at the same time; further ones are refused as too busy. */
  contentAnswersMax: 2000,
  /** A receiver that takes nothing for this long is cut off. */
  clientIdleTimeoutMs: 60_000,
  /** Videos whose row and manifest are kept in memory. */
  cachedVideosMax: 10_000,
  /** Chunks these may have together, about 150 bytes each. */
  cachedChunksMax: 200_000,
} as const;
