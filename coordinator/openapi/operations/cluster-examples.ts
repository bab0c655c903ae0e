import { CREATED_AT, NODE_IDS, REBALANCE_ID } from '../examples.ts';

/** One of the nodes that were there from the start. */
export const NODE_PLACE = {
  id: NODE_IDS[0],
  url: 'http://10.0.0.2:5001',
  zone: 'rack-1',
  weight: 100,
  state: 'active',
};

const JOINING = {
  nodeId: NODE_IDS[4],
  before: { state: 'joined', weight: 100, zone: 'rack-2', ranges: 0 },
  after: { state: 'active', weight: 100, zone: 'rack-2', ranges: 2458 },
  gainedChunks: 8704,
  gainedBytes: 73_014_444_032,
  lostBytes: 0,
};

/** A fifth node joins four. */
export const PLAN = {
  fromEpoch: 1,
  nodes: [JOINING],
  ranges: 2458,
  totalRanges: 4096,
  chunks: 8704,
  bytes: 73_014_444_032,
  share: 0.2,
  movedRanges: 2458,
  minimumRanges: 2457,
  minimumBytes: 72_984_739_000,
  estimatedSeconds: 730,
};

export const REBALANCE = {
  id: REBALANCE_ID,
  state: 'running',
  reason: 'join of http://10.0.0.7:5001',
  changes: [{ nodeId: NODE_IDS[4], state: 'active' }],
  plan: PLAN,
  createdAt: CREATED_AT,
  finishedAt: null,
  ranges: { total: 2458, waiting: 1600, copying: 8, switching: 12, done: 838 },
  chunks: { total: 8704, done: 3010 },
  bytes: { total: 73_014_444_032, done: 25_249_710_080 },
  copiedBytes: 25_249_710_080,
  bytesPerSecond: 100_663_296,
  secondsLeft: 475,
  limits: { bytesPerSecond: null, concurrency: null },
  error: null,
  nodes: [{ nodeId: NODE_IDS[4], bytes: 73_014_444_032, doneBytes: 25_249_710_080 }],
};
