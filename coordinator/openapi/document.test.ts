import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { OPERATIONS, ruleOf } from '../auth/access.ts';
import { STATUS_OF } from '../errors.ts';
import { EVENT_TYPES, TEST_EVENT_TYPE } from '../webhooks/event-schema.ts';
import type { Answer } from './description.ts';
import { createDocument } from './document.ts';
import { errorsOf } from './general-errors.ts';
import { DESCRIPTIONS, GROUPS } from './operations.ts';
import { DocumentedAnswers } from './test-support/documented-answers.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into at many places
const document = JSON.parse(JSON.stringify(createDocument('1.2.3'))) as any;

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    name: string;
    description: string;
    schema: object;
    examples?: Record<string, { value: unknown }>;
  }[];
  readonly requestBody?: { content: Record<string, { schema: object; example?: unknown }> };
  readonly responses: Record<string, { content?: Record<string, Content> }>;
}
interface Content {
  readonly schema?: object;
  readonly example?: unknown;
  readonly examples?: Record<string, { $ref: string }>;
}

const operations = OPERATIONS.map((name) => {
  const [method, path] = name.split(' ') as [string, string];
  return { name, ...(document.paths[path][method.toLowerCase()] as Operation) };
});

test('another program finds the document valid by the schema of OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(document);
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  const broken = structuredClone(document);
  broken.paths['/healthz'].get.responses = [];
  expect((await new Validator().validate(broken)).valid).toBe(false);
});

test('every reference leads somewhere', () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
    ([, target]) => target!,
  );
  expect(references.length).toBeGreaterThan(100);
  for (const reference of new Set(references)) {
    const target = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce((value, key) => value?.[key], document);
    expect(target, reference).toBeDefined();
  }
});

test('every operation has an id and a tag of its own kind', () => {
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  const known = GROUPS.map(({ tag }) => tag);
  for (const { name, tags } of operations)
    expect([name, known.includes(tags[0]!), tags.length]).toEqual([name, true, 1]);
});

test('every parameter says what it is for', () => {
  for (const { name, parameters = [] } of operations) {
    for (const parameter of parameters) {
      expect(parameter.description, `${name}: ${parameter.name}`).toEqual(expect.stringMatching(/\w/));
      expect(Object.keys(parameter.schema), `${name}: ${parameter.name}`).not.toEqual([]);
    }
  }
});

test.each(OPERATIONS)('%s: its examples are what its schemas take and give', (name) => {
  const description = DESCRIPTIONS[name];
  const { pathExample = {}, query, queryExample, body, bodyExample, also = {} } = description;
  const names = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
  expect(Object.keys(pathExample), 'the parameters of the path need an example').toEqual(names);
  if (query !== undefined) expect(queryExample, 'the query needs an example').toBeDefined();
  if (queryExample !== undefined) expect(query!.safeParse(queryExample).error).toBeUndefined();
  if (body instanceof z.ZodType) {
    expect(bodyExample, 'the body needs an example').toBeDefined();
    expect(body.safeParse(bodyExample).error).toBeUndefined();
  }
  for (const { answer, answerExample } of [description, ...Object.values(also)] as Answer[]) {
    if (answer === undefined || answer === '*/*') continue;
    expect(answerExample, 'the answer needs an example').toBeDefined();
    // What the schema does not know it would leave out.
    if (answer instanceof z.ZodType) expect(answer.parse(answerExample)).toEqual(answerExample);
  }
});

test('every example fits the schema beside it, for whoever has only the document', () => {
  const documented = new DocumentedAnswers();
  let count = 0;
  const check = (what: string, schema: object, example: unknown) => {
    count++;
    const validate = documented.compile(schema);
    expect([what, validate(example), validate.errors]).toEqual([what, true, null]);
  };
  for (const { name, parameters = [], requestBody, responses } of operations) {
    for (const { name: parameter, schema, examples = {} } of parameters) {
      for (const { value } of Object.values(examples)) check(`${name} ${parameter}`, schema, value);
    }
    for (const { schema, example } of Object.values(requestBody?.content ?? {})) {
      if (example !== undefined) check(`${name} body`, schema, example);
    }
    for (const [status, { content = {} }] of Object.entries(responses)) {
      for (const { schema, example, examples = {} } of Object.values(content)) {
        if (example !== undefined) check(`${name} ${status}`, schema!, example);
        for (const { $ref } of Object.values(examples)) {
          const code = $ref.split('/').at(-1)!;
          check(`${name} ${status} ${code}`, schema!, document.components.examples[code].value);
          expect(document.components.examples[code].value.status).toBe(Number(status));
        }
      }
    }
  }
  expect(count).toBeGreaterThan(400);
});

test('every event has an example, and it is what endpoints get', () => {
  const documented = new DocumentedAnswers();
  expect(Object.keys(document.webhooks)).toEqual([...EVENT_TYPES, TEST_EVENT_TYPE]);
  for (const [type, { post }] of Object.entries<{ post: Operation }>(document.webhooks)) {
    const { schema, example } = post.requestBody!.content['application/json']!;
    const validate = documented.compile(schema);
    expect([type, validate(example), validate.errors]).toEqual([type, true, null]);
    expect(validate({ ...(example as object), type: 'another' })).toBe(false);
  }
});

test('every code that the API knows is documented, but those of what is no operation', () => {
  const named = new Set(OPERATIONS.flatMap((name) => errorsOf(name, ruleOf(name), DESCRIPTIONS[name])));
  const others = Object.keys(STATUS_OF).filter((code) => !named.has(code as keyof typeof STATUS_OF));
  // A path that does not exist, a method that it does not answer; what only passes between servers; how an
  // import ended, which stands in the import.
  expect(others.sort()).toEqual(['copy_incomplete', 'import_failed', 'method_not_allowed', 'not_found']);
});
