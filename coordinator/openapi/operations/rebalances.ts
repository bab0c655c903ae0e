import { rebalanceListJsonSchema, rebalanceReportSchema } from '../../rebalance/answer-schema.ts';
import { limitsSchema, listSchema, rebalanceSchema } from '../../rebalance/schema.ts';
import { group } from '../description.ts';
import { NODE_IDS, REBALANCE_ID } from '../examples.ts';
import { REBALANCE } from './cluster-examples.ts';

const EXISTING = ['invalid_request', 'rebalance_not_found'] as const;

export const REBALANCES = group({
  tag: 'Rebalances',
  description: 'Ranges of the ring on their way to other nodes, while uploads and downloads go on.',
  operations: {
    'GET /api/v1/admin/rebalances': {
      summary: 'Rebalances, newest first',
      query: listSchema,
      queryExample: { limit: '1' },
      status: 200,
      answer: rebalanceListJsonSchema,
      answerExample: { items: [REBALANCE], nextCursor: `1768642200000.${REBALANCE_ID}` },
    },
    'POST /api/v1/admin/rebalances': {
      summary: 'Change several nodes at once',
      details: 'A change that is under way is redirected, and goes on where both agree.',
      body: rebalanceSchema,
      bodyExample: {
        changes: [
          { nodeId: NODE_IDS[4], state: 'active' },
          { nodeId: NODE_IDS[3], state: 'draining' },
        ],
        reason: 'new hardware for rack 2',
        bytesPerSecond: 100_000_000,
      },
      status: 202,
      answer: rebalanceReportSchema,
      answerExample: REBALANCE,
      errors: [
        'cluster_not_ready',
        'node_not_found',
        'node_unreachable',
        'node_identity_mismatch',
        'conflict',
        'too_few_nodes',
        'zones_impossible',
        'insufficient_room',
        'nothing_to_do',
      ],
    },
    'GET /api/v1/admin/rebalances/{id}': {
      pathExample: { id: REBALANCE_ID },
      summary: 'A rebalance',
      status: 200,
      answer: rebalanceReportSchema,
      answerExample: REBALANCE,
      errors: EXISTING,
    },
    'PATCH /api/v1/admin/rebalances/{id}': {
      pathExample: { id: REBALANCE_ID },
      summary: 'Limit a rebalance',
      body: limitsSchema,
      bodyExample: { bytesPerSecond: 50_000_000, concurrency: 4 },
      status: 200,
      answer: rebalanceReportSchema,
      answerExample: { ...REBALANCE, limits: { bytesPerSecond: 50_000_000, concurrency: 4 } },
      errors: [...EXISTING, 'conflict'],
    },
    'POST /api/v1/admin/rebalances/{id}/pause': {
      pathExample: { id: REBALANCE_ID },
      summary: 'Hold a rebalance',
      details:
        'Nothing more is copied until it is resumed; ranges that are copied already pass to their new owners.',
      status: 202,
      answer: rebalanceReportSchema,
      answerExample: { ...REBALANCE, state: 'paused' },
      errors: [...EXISTING, 'conflict'],
    },
    'POST /api/v1/admin/rebalances/{id}/resume': {
      pathExample: { id: REBALANCE_ID },
      summary: 'Go on with a rebalance',
      status: 202,
      answer: rebalanceReportSchema,
      answerExample: REBALANCE,
      errors: [...EXISTING, 'conflict'],
    },
    'POST /api/v1/admin/rebalances/{id}/cancel': {
      pathExample: { id: REBALANCE_ID },
      summary: 'Take a rebalance back',
      details: 'Answers with another rebalance, back to the layout before.',
      status: 202,
      answer: rebalanceReportSchema,
      answerExample: { ...REBALANCE, state: 'cancelling', reason: `back from: ${REBALANCE.reason}` },
      errors: [...EXISTING, 'conflict'],
    },
  },
});
