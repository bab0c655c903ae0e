import {
  EVENT_TYPES,
  type EventType,
  eventSchemaOf,
  nodeEventDataSchema,
  TEST_EVENT_TYPE,
  testEventDataSchema,
  videoEventDataSchema,
} from '../webhooks/event-schema.ts';
import { CREATED_AT, NODE_IDS, VIDEO } from './examples.ts';
import { inputSchema, type Json } from './json-schemas.ts';

const SUMMARIES: Readonly<Record<EventType | typeof TEST_EVENT_TYPE, string>> = {
  'video.uploaded': 'A video was stored',
  'video.playable': 'A video can be played',
  'video.ready': 'Everything that is made of a video is there',
  'video.failed': 'A video cannot be played, or not all was made of it; `reason` says why',
  'video.deleted': 'A video was deleted',
  'node.joined': 'A storage node has registered',
  'node.down': 'A storage node does not answer any more',
  'node.up': 'A storage node that was down answers again',
  'node.lost': 'A storage node was given up, and what it had is copied from other copies',
  'node.drained': 'A storage node owns nothing any more and may be removed',
  'node.removed': 'A storage node was removed',
  'webhook.test': 'Somebody tries the endpoint',
};

const WEBHOOK_HEADERS = [
  ['webhook-id', 'The event; the same however often it is sent. Take what is known already for done.'],
  ['webhook-timestamp', 'When this attempt was made, in seconds since 1970.'],
  [
    'webhook-signature',
    '`v1,` and the Base64 of the HMAC-SHA256 of id, timestamp and body, divided by full stops; several divided by blanks while a secret is replaced.',
  ],
] as const;

/** What endpoints get: the `webhooks` of the document. */
export function describeEvents(): Json {
  const types = [...EVENT_TYPES, TEST_EVENT_TYPE] as const;
  return Object.fromEntries(types.map((type) => [type, { post: describeEvent(type) }]));
}

function describeEvent(type: EventType | typeof TEST_EVENT_TYPE): Json {
  const [data, example] = dataOf(type);
  const parameters = WEBHOOK_HEADERS.map(([name, description]) => ({
    ...{ name, in: 'header', required: true, description },
    schema: { type: 'string' },
  }));
  return {
    operationId: `on_${type.replace('.', '_')}`,
    tags: ['Webhooks'],
    summary: SUMMARIES[type],
    parameters,
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: inputSchema(eventSchemaOf(type, data)),
          example: { type, timestamp: CREATED_AT, data: example },
        },
      },
    },
    responses: {
      '2XX': { description: 'Received.' },
      410: { description: 'Nothing more is wanted: the endpoint is disabled.' },
      default: { description: 'It is sent again later.' },
    },
    security: [],
  };
}

function dataOf(type: EventType | typeof TEST_EVENT_TYPE) {
  if (type === TEST_EVENT_TYPE) {
    return [testEventDataSchema, { webhookId: '019bcb58-6f10-7a4e-8d21-0c9b7e5a3f66' }] as const;
  }
  if (type.startsWith('video.')) {
    const reason = type === 'video.failed' ? 'The file is no video.' : null;
    return [videoEventDataSchema, { ...VIDEO, reason }] as const;
  }
  const reason = type === 'node.down' ? 'connect ECONNREFUSED 10.0.0.7:5001' : null;
  return [
    nodeEventDataSchema,
    { id: NODE_IDS[0], url: 'http://10.0.0.7:5001', zone: 'default', reason },
  ] as const;
}
