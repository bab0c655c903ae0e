import {
  clusterSummarySchema,
  locationSchema,
  nodeListJsonSchema,
  ringReportSchema,
} from '../../cluster/answer-schema.ts';
import { eventsSchema, locateSchema, registrationSchema, ringSchema } from '../../cluster/schema.ts';
import { changedNodeSchema, planReportSchema, registeredNodeSchema } from '../../rebalance/answer-schema.ts';
import { nodeEditSchema, nodeRemovalSchema, planSchema } from '../../rebalance/schema.ts';
import { group } from '../description.ts';
import { CLUSTER_ID, CREATED_AT, LATER, NODE_IDS } from '../examples.ts';
import { NODE_PLACE, PLAN, REBALANCE } from './cluster-examples.ts';

const MOVE_ERRORS = [
  'cluster_not_ready',
  'node_not_found',
  'node_unreachable',
  'node_identity_mismatch',
  'conflict',
  'too_few_nodes',
  'zones_impossible',
  'insufficient_room',
] as const;

export const CLUSTER = group({
  tag: 'Cluster',
  description: 'Storage nodes and the ring, for administrators.',
  operations: {
    'GET /api/v1/admin/nodes': {
      summary: 'Storage nodes',
      status: 200,
      answer: nodeListJsonSchema,
      answerExample: {
        items: [
          {
            ...NODE_PLACE,
            health: 'up',
            healthReason: null,
            ranges: 3072,
            primaryRanges: 1024,
            targetRanges: null,
            capacityBytes: 536_870_912_000,
            usedBytes: 91_268_055_040,
            chunkCount: 10_880,
            quarantinedCount: 0,
            disk: 'ok',
            registeredAt: CREATED_AT,
            lastSeenAt: LATER,
          },
        ],
        nextCursor: null,
      },
    },
    'POST /api/v1/admin/nodes': {
      summary: 'Register a storage node',
      details:
        'A node that registers itself waits; one that an administrator adds gets ranges at once, unless `activate` is false.',
      body: registrationSchema,
      bodyExample: { url: 'http://10.0.0.7:5001', zone: 'rack-2', weight: 100 },
      status: 201,
      answer: registeredNodeSchema,
      answerExample: {
        ...NODE_PLACE,
        id: NODE_IDS[4],
        url: 'http://10.0.0.7:5001',
        zone: 'rack-2',
        clusterId: CLUSTER_ID,
        rebalance: REBALANCE,
      },
      errors: [...MOVE_ERRORS, 'node_foreign_cluster', 'node_already_registered', 'nothing_to_do'],
    },
    'POST /api/v1/admin/nodes/plan': {
      summary: 'What changes of nodes would move',
      details: 'Nothing moves, and nothing is remembered.',
      body: planSchema,
      bodyExample: { changes: [{ nodeId: NODE_IDS[4], state: 'active' }] },
      status: 200,
      answer: planReportSchema,
      answerExample: PLAN,
      errors: MOVE_ERRORS,
    },
    'PATCH /api/v1/admin/nodes/{id}': {
      pathExample: { id: NODE_IDS[0] },
      summary: 'Change a storage node',
      details:
        '`active` gives it its share of the ranges, `draining` empties it. Answers with the rebalance that this begins.',
      body: nodeEditSchema,
      bodyExample: { state: 'active' },
      status: 202,
      answer: changedNodeSchema,
      answerExample: { node: { ...NODE_PLACE, id: NODE_IDS[4] }, rebalance: REBALANCE },
      also: {
        200: {
          description: 'Done: there is nothing to move',
          answer: changedNodeSchema,
          answerExample: { node: { ...NODE_PLACE, state: 'joined', weight: 50 }, rebalance: null },
        },
      },
      errors: [...MOVE_ERRORS, 'nothing_to_do', 'node_in_use'],
    },
    'DELETE /api/v1/admin/nodes/{id}': {
      pathExample: { id: NODE_IDS[0] },
      summary: 'Remove a storage node',
      details:
        'One that owns nothing, or one that is down for good; with `lost=true` even if it still answers.',
      query: nodeRemovalSchema,
      queryExample: { lost: 'true' },
      status: 202,
      answer: changedNodeSchema,
      answerExample: { node: { ...NODE_PLACE, state: 'removed' }, rebalance: REBALANCE },
      also: {
        200: {
          description: 'Done: it owned nothing',
          answer: changedNodeSchema,
          answerExample: { node: { ...NODE_PLACE, state: 'removed' }, rebalance: null },
        },
      },
      errors: [...MOVE_ERRORS, 'nothing_to_do', 'node_in_use'],
    },
    'GET /api/v1/admin/cluster': {
      summary: 'The cluster in numbers',
      status: 200,
      answer: clusterSummarySchema,
      answerExample: {
        clusterId: CLUSTER_ID,
        epoch: 1,
        step: 0,
        rebalancing: false,
        ready: true,
        replicas: 3,
        writeQuorum: 2,
        nodes: { up: 4, suspect: 0, down: 0 },
      },
    },
    'GET /api/v1/admin/ring': {
      summary: 'Who owns what',
      query: ringSchema,
      queryExample: { arcs: 'true' },
      status: 200,
      answer: ringReportSchema,
      answerExample: {
        epoch: 1,
        step: 0,
        rangeCount: 4096,
        replicas: 3,
        rebalanceId: null,
        targetEpoch: null,
        phases: null,
        nodes: [
          {
            nodeId: NODE_IDS[0],
            url: NODE_PLACE.url,
            zone: NODE_PLACE.zone,
            weight: 100,
            ranges: 3072,
            primaryRanges: 1024,
            targetRanges: null,
            chunks: 10_880,
            bytes: 91_268_055_040,
          },
        ],
        balance: { rangesMaxOverShare: 1, bytesMaxOverShare: 1.013 },
        arcs: [
          {
            firstRange: 0,
            lastRange: 3,
            first: '00000000',
            last: '003fffff',
            owners: [NODE_IDS[0], NODE_IDS[1], NODE_IDS[2]],
            target: null,
            phase: null,
          },
        ],
      },
      errors: ['cluster_not_ready'],
    },
    'GET /api/v1/admin/ring/locate': {
      summary: 'Where a key lies',
      query: locateSchema,
      queryExample: { key: 'holiday.mp4' },
      status: 200,
      answer: locationSchema,
      answerExample: {
        key: 'holiday.mp4',
        position: '4b1d7f3e',
        range: { index: 1201, first: '4b100000', last: '4b1fffff' },
        epoch: 1,
        step: 0,
        phase: 'before',
        owners: [0, 1, 2].map((index) => ({
          id: NODE_IDS[index]!,
          url: `http://10.0.0.${index + 2}:5001`,
          zone: `rack-${index + 1}`,
          health: 'up',
        })),
        fallbacks: [{ id: NODE_IDS[3], url: 'http://10.0.0.5:5001', zone: 'rack-1', health: 'up' }],
      },
      errors: ['cluster_not_ready'],
    },
    'GET /api/v1/admin/events': {
      summary: 'What happens to nodes, ring and copies',
      details:
        'Server-sent events without an end: `event` is the kind, `data` the whole event as JSON. What is not kept, such as progress, has no id.',
      query: eventsSchema,
      queryExample: { lastEventId: '4711' },
      requestHeaders: ['Last-Event-ID'],
      status: 200,
      answer: 'text/event-stream',
      answerExample: `event: node_down\ndata: {"id":4712,"at":"${LATER}","kind":"node_down","nodeId":"${NODE_IDS[2]}","details":{"from":"suspect"}}\nid: 4712\n\n`,
    },
  },
});
