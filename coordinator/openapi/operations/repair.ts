import { repairStatusSchema, shortListJsonSchema } from '../../repair/answer-schema.ts';
import { shortListSchema } from '../../repair/schema.ts';
import { group } from '../description.ts';
import { CREATED_AT, LATER, NODE_IDS, VIDEO_ID } from '../examples.ts';

const SHORT_CHUNK = {
  id: '019bcb4e79f87b1e8c330000-00000002-5f1e9a3c7b2d4e60',
  position: '9f03b2c1',
  copies: 1,
  objectId: '019bcb4e-79f8-7b1e-8c33-1a2b3c4d5e6f',
  videoId: VIDEO_ID,
  problem: null,
  foundAt: LATER,
};

export const REPAIR = group({
  tag: 'Repair',
  description: 'Whether every chunk has all its copies: said only when it was seen.',
  operations: {
    'GET /api/v1/admin/repair': {
      summary: 'Whether every copy is there',
      status: 200,
      answer: repairStatusSchema,
      answerExample: {
        complete: false,
        verifiedAt: null,
        reasons: ['1 copies are missing in 1 ranges'],
        ranges: { total: 4096, verified: 4095, suspected: 0, short: 1, moving: 0 },
        chunks: 10_880,
        bytes: 91_268_055_040,
        missingCopies: 1,
        shortChunks: { count: 1, lost: 0, sample: [SHORT_CHUNK] },
        repairing: { checkedRanges: 8192, copiedChunks: 311, copiedBytes: 2_608_857_088, failedCopies: 0 },
        scrub: [
          { nodeId: NODE_IDS[0], state: 'idle', lastFinishedAt: CREATED_AT, foundCorrupt: 0, quarantined: 0 },
        ],
      },
      errors: ['cluster_not_ready'],
    },
    'POST /api/v1/admin/repair': {
      summary: 'Check everything now',
      status: 202,
      answer: repairStatusSchema,
      answerExample: {
        complete: false,
        verifiedAt: null,
        reasons: ['4096 ranges are to be checked again: an administrator asked for it'],
        ranges: { total: 4096, verified: 0, suspected: 4096, short: 0, moving: 0 },
        chunks: 10_880,
        bytes: 91_268_055_040,
        missingCopies: 0,
        shortChunks: { count: 0, lost: 0, sample: [] },
        repairing: { checkedRanges: 8192, copiedChunks: 311, copiedBytes: 2_608_857_088, failedCopies: 0 },
        scrub: [],
      },
      errors: ['cluster_not_ready'],
    },
    'GET /api/v1/admin/repair/chunks': {
      summary: 'Chunks with too few copies, the rarest first',
      query: shortListSchema,
      queryExample: { limit: '100' },
      status: 200,
      answer: shortListJsonSchema,
      answerExample: { items: [SHORT_CHUNK], nextCursor: null },
    },
  },
});
