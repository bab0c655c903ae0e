import { z } from 'zod';
import { OPERATIONS, type Operation, type Rule, ruleOf } from '../auth/access.ts';
import { DESCRIPTIONS, type Description } from './operations.ts';

type Json = Readonly<Record<string, unknown>>;

/** RFC 9457, with this API's own members. */
const PROBLEM: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'Stable; what programs should look at.' },
    requestId: { type: 'string' },
  },
};

const WHO: Readonly<Record<Rule['who'], string>> = {
  anyone: 'Everybody.',
  reader:
    'Everybody, unless reading needs an account here; what is private only its owner and administrators.',
  signedIn: 'Whoever is logged in.',
  account: 'Whoever is logged in, with the token or cookie of the login itself.',
  uploader: 'Uploaders and administrators.',
  owner: 'The owner and administrators.',
  admin: 'Administrators.',
  adminOrNode: 'Administrators and storage nodes of the cluster.',
};

/** The OpenAPI 3.1 description of the whole API, made of the schemas that check requests and the table of access. */
export function createDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const [method, path] = operation.split(' ') as [string, string];
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = describe(operation, path);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'OrbitVids', version: '1', description: 'A self-hosted, distributed video store.' },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token, an API key or the admin token.',
        },
        cookie: { type: 'apiKey', in: 'cookie', name: 'orbitvids_access' },
        grant: { type: 'apiKey', in: 'query', name: 'x-grant', description: 'A signed address.' },
        node: { type: 'apiKey', in: 'query', name: 'x-signature', description: 'A storage node.' },
      },
    },
  };
}

function describe(operation: Operation, path: string): Json {
  const description: Description = DESCRIPTIONS[operation];
  const rule: Rule = ruleOf(operation);
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const parameters = [
    ...names.map((name) => ({
      name,
      in: 'path',
      required: true,
      schema: name === 'name' ? { type: 'string' } : { type: 'string', format: 'uuid' },
    })),
    ...queryParameters(description.query),
  ];
  return {
    operationId: operation
      .replace('/api/v1', '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replace(/_$/, ''),
    summary: description.summary,
    description: WHO[rule.who],
    ...(parameters.length > 0 && { parameters }),
    ...(description.body !== undefined && { requestBody: bodyOf(description.body) }),
    responses: { [description.status]: answerOf(description), default: problemAnswer() },
    security: securityOf(rule),
    'x-access': rule.who,
    'x-scope': rule.scope,
  };
}

function securityOf({ who, grant }: Rule): Json[] {
  if (who === 'anyone') return [];
  const known = [{ bearer: [] }, { cookie: [] }];
  if (who === 'adminOrNode') return [...known, { node: [] }];
  if (who !== 'reader') return known;
  return [{}, ...known, ...(grant === undefined ? [] : [{ grant: [] }])];
}

function queryParameters(schema: z.ZodType | undefined): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: property,
  }));
}

function bodyOf(body: NonNullable<Description['body']>): Json {
  if (!(body instanceof z.ZodType)) {
    const content = Object.fromEntries(body.map((type) => [type, { schema: {} }]));
    return { required: true, content };
  }
  const content = { 'application/json': { schema: jsonSchema(body, 'input') } };
  return { required: !body.safeParse({}).success, content };
}

function answerOf({ answer, summary }: Description): Json {
  if (answer === undefined) return { description: summary };
  const schema =
    answer === 'object' ? { type: 'object' } : typeof answer === 'string' ? {} : jsonSchema(answer, 'output');
  const type = answer === 'object' || typeof answer !== 'string' ? 'application/json' : answer;
  return { description: summary, content: { [type]: { schema } } };
}

function problemAnswer(): Json {
  const schema = { $ref: '#/components/schemas/Problem' };
  return { description: 'A problem', content: { 'application/problem+json': { schema } } };
}

/** What a schema only checks in code is left out. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
