import { Ajv2020, type AnySchema, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { createDocument } from '../document.ts';

/** An answer of the API as a client sees it. */
export interface SeenAnswer {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  /** The JSON of the body; undefined for another body, or none. */
  readonly json: unknown;
}

interface DocumentedAnswer {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema?: AnySchema }>>;
}
interface DocumentedOperation {
  readonly responses: Readonly<Record<string, DocumentedAnswer>>;
}

/** These come with every answer of their status; others depend on more than that. */
const CERTAIN_HEADERS = ['ETag', 'Location', 'WWW-Authenticate', 'X-Request-Id'];

/** No content, a redirect, not modified. */
const BODILESS: ReadonlySet<number> = new Set([204, 304, 307]);

/** Holds answers to what the document says of them: a status, a code, a header or a field too many is a slip. */
export class DocumentedAnswers {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #paths: readonly {
    readonly path: RegExp;
    readonly operations: Record<string, DocumentedOperation>;
  }[];
  readonly #validators = new Map<AnySchema, ValidateFunction>();

  constructor() {
    addFormats.default(this.#ajv);
    const document = createDocument('0') as { paths: Record<string, Record<string, DocumentedOperation>> };
    this.#ajv.addSchema(document, 'document');
    this.#paths = Object.entries(document.paths)
      // What has no parameter goes first, as in the app.
      .sort(([a], [b]) => Number(a.includes('{')) - Number(b.includes('{')))
      .map(([path, operations]) => ({
        path: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
        operations,
      }));
  }

  /** What is wrong with the answer, in words; nothing for what no operation answers. */
  problemsOf({ method, path, status, headers, json }: SeenAnswer): string[] {
    const operation = this.#operationOf(method, path);
    if (operation === undefined) return [];
    const documented = operation.responses[status];
    if (documented === undefined) return [`the status ${status} is not documented (${JSON.stringify(json)})`];
    const missing = CERTAIN_HEADERS.filter((name) => documented.headers?.[name] && !headers.has(name));
    const problems = missing.map((name) => `the header ${name} is documented and not there`);
    if (method === 'HEAD' || BODILESS.has(status)) return problems;
    const type = headers.get('content-type')?.split(';', 1)[0] ?? '';
    const content = documented.content?.[type] ?? documented.content?.['*/*'];
    if (content === undefined) return [...problems, `the media type ${type} is not documented`];
    return [...problems, ...this.#mismatches(content.schema, json)];
  }

  #operationOf(method: string, path: string): DocumentedOperation | undefined {
    for (const { path: known, operations } of this.#paths) {
      if (!known.test(path)) continue;
      const operation = operations[method.toLowerCase()] ?? (method === 'HEAD' ? operations.get : undefined);
      if (operation !== undefined) return operation;
    }
    return undefined;
  }

  #mismatches(schema: AnySchema | undefined, json: unknown): string[] {
    if (schema === undefined || json === undefined) return [];
    let validate = this.#validators.get(schema);
    if (validate === undefined) {
      validate = this.compile(schema);
      this.#validators.set(schema, validate);
    }
    if (validate(json)) return [];
    return validate.errors!.map(
      ({ instancePath, message, params }) =>
        `${instancePath} ${message} ${JSON.stringify(params)} in ${JSON.stringify(json)}`,
    );
  }

  /** A schema of the document, with its references. */
  compile(schema: AnySchema): ValidateFunction {
    const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
    return this.#ajv.compile(JSON.parse(text));
  }
}

let documented: DocumentedAnswers | undefined;

/** As `fetch`, of strings; rejects when the answer is not what the document says of it. */
export async function documentedFetch(target: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(target, init);
  documented ??= new DocumentedAnswers();
  const { status, headers } = response;
  const isJson = /[/+]json\b/.test(headers.get('content-type') ?? '') && init.method !== 'HEAD';
  const json: unknown = isJson ? await response.clone().json() : undefined;
  const { method = 'GET' } = init;
  const { pathname: path } = new URL(target);
  const problems = documented.problemsOf({ method, path, status, headers, json });
  if (problems.length === 0) return response;
  throw new Error(`${method} ${path} is not answered as documented: ${problems.join('; ')}`);
}
