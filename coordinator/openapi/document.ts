import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { OPERATIONS, type Operation, type Rule, ruleOf } from '../auth/access.ts';
import type { Answer, Description } from './description.ts';
import { describeEvents } from './events.ts';
import { errorsOf } from './general-errors.ts';
import { headerComponents, headerParameters, headersOf } from './headers.ts';
import { AnswerSchemas, inputSchema, type Json } from './json-schemas.ts';
import { DESCRIPTIONS, GROUPS, NAMED_ANSWERS } from './operations.ts';
import { exampleOf } from './parameter-example.ts';
import { PROBLEM, problemAnswers, problemExamples } from './problems.ts';
import { ACCESS_WORDS, SECURITY_SCHEMES, securityOf } from './security.ts';

/** The OpenAPI 3.1 description of the whole API, made of the schemas that check requests and the table of access. */
export function createDocument(version: string): Json {
  const schemas = new AnswerSchemas(NAMED_ANSWERS, Object.values(DESCRIPTIONS).flatMap(answersOf));
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const [method, path] = operation.split(' ') as [string, string];
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = describe(operation, path, schemas);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'OrbitVids',
      version,
      summary: 'A self-hosted video store that spreads over many machines.',
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This coordinator' }],
    tags: GROUPS.map(({ tag, description }) => ({ name: tag, description })),
    paths,
    webhooks: describeEvents(),
    components: {
      schemas: { ...schemas.components, Problem: PROBLEM },
      examples: problemExamples(),
      headers: headerComponents(),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const INTRODUCTION = `JSON in camelCase, ids are UUIDs (version 7), times ISO 8601 in UTC, sizes in bytes.

**Lists** are \`{ "items": [], "nextCursor": null }\`; \`cursor\` asks for the page after. **Errors** are
\`application/problem+json\` (RFC 9457) with a stable \`code\`. **Unknown fields** of a body are refused with 400. A path
answers other methods than its own with 405 and \`Allow\`. \`x-access\` says who may call an operation, and \`x-scope\`
what an API key must be good for.`;

function answersOf(description: Description): z.ZodType[] {
  return [description, ...Object.values(description.also ?? {})].flatMap(({ answer }) =>
    answer instanceof z.ZodType ? [answer] : [],
  );
}

function describe(operation: Operation, path: string, schemas: AnswerSchemas): Json {
  const description: Description = DESCRIPTIONS[operation];
  const rule: Rule = ruleOf(operation);
  const parameters = [
    ...pathParameters(path, description),
    ...queryParameters(description),
    ...headerParameters(description.requestHeaders),
  ];
  const { summary, details, status, also = {} } = description;
  return {
    operationId: operationIdOf(operation),
    tags: GROUPS.filter(({ operations }) => Object.hasOwn(operations, operation)).map(({ tag }) => tag),
    summary,
    description: [details, `**Who:** ${ACCESS_WORDS[rule.who]}`].filter(Boolean).join('\n\n'),
    ...(parameters.length > 0 && { parameters }),
    ...(description.body !== undefined && { requestBody: bodyOf(description.body, description) }),
    responses: {
      ...problemAnswers(errorsOf(operation, rule, description)),
      [status]: answerOf(STATUS_CODES[status]!, description, schemas),
      ...Object.fromEntries(
        Object.entries(also).map(([code, other]) => [code, answerOf(other.description, other, schemas)]),
      ),
    },
    security: securityOf(rule),
    'x-access': rule.who,
    'x-scope': rule.scope,
  };
}

/** Stable: method and path in words. */
function operationIdOf(operation: Operation): string {
  return operation
    .replace('/api/v1', '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replace(/_$/, '');
}

const PARAMETERS: Readonly<Record<string, string>> = {
  id: 'The id, a UUID.',
  name: 'Up to 100 letters, digits, dots, dashes and underscores.',
  rendition: 'The id of a rendition, as the master playlist names it.',
  piece: 'Which of its initialization segments, from 0.',
  number: 'Which one, from 0 for segments and 1 for sheets.',
  grant: 'What `POST /api/v1/videos/{id}/playback-url` has signed.',
  path: 'May have slashes in it.',
};

function pathParameters(path: string, { pathExample }: Description): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: isId(name!) ? PARAMETERS.id : PARAMETERS[name!],
    schema: { type: 'string', ...(isId(name!) && { format: 'uuid' }) },
    examples: exampleOf(pathExample?.[name!], true),
  }));
}

function isId(name: string): boolean {
  return name === 'id' || name.endsWith('Id');
}

function queryParameters({ query, queryExample = {} }: Description): Json[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = inputSchema(query) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    const isRequired = required.includes(name);
    const examples = exampleOf(queryExample[name] && readValue(queryExample[name], schema), isRequired);
    return { name, in: 'query', required: isRequired, description, schema, ...(examples && { examples }) };
  });
}

/** What the text of a query stands for. */
function readValue(text: string, { type }: Json): unknown {
  return type === 'integer' || type === 'boolean' ? JSON.parse(text) : text;
}

function bodyOf(body: NonNullable<Description['body']>, { bodyExample, form }: Description): Json {
  if (body instanceof z.ZodType) {
    const content = { 'application/json': { schema: inputSchema(body), example: bodyExample } };
    return { required: !body.safeParse({}).success, content };
  }
  const content = body.map((type) => [type, type === 'multipart/form-data' ? formOf(form) : {}]);
  return { required: true, content: Object.fromEntries(content) };
}

/** The fields and, behind them, the file. */
function formOf(form: z.ZodType | undefined): Json {
  const fields = form === undefined ? {} : inputSchema(form);
  const file = { type: 'string', contentMediaType: 'application/octet-stream' };
  return {
    schema: {
      ...fields,
      properties: { ...(fields.properties as Json | undefined), file },
      required: ['file'],
    },
  };
}

function answerOf(
  description: string,
  { answer, answerExample, answerHeaders }: Answer,
  schemas: AnswerSchemas,
): Json {
  return {
    description,
    headers: headersOf(answerHeaders),
    ...(answer !== undefined && { content: contentOf(answer, answerExample, schemas) }),
  };
}

function contentOf(answer: NonNullable<Answer['answer']>, example: unknown, schemas: AnswerSchemas): Json {
  if (answer instanceof z.ZodType) return { 'application/json': { schema: schemas.of(answer), example } };
  return answer === '*/*' ? { '*/*': {} } : { [answer]: { schema: { type: 'string' }, example } };
}
