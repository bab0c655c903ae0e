import { z } from 'zod';

export type Json = Readonly<Record<string, unknown>>;

/** JSON Schemas of what clients send. What a schema only checks in code is left out. */
export function inputSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', override });
  return rest;
}

/**
 * JSON Schemas of what is answered. The named ones are components, and referred to wherever they are part of others; so
 * whatever is answered and is part of another answer as well needs a name.
 */
export class AnswerSchemas {
  readonly #registry = z.registry<{ id: string }>();
  readonly #converted: Readonly<Record<string, Json>>;
  readonly components: Json;

  constructor(named: Readonly<Record<string, z.ZodType>>, others: Iterable<z.ZodType>) {
    for (const [id, schema] of Object.entries(named)) this.#registry.add(schema, { id });
    for (const schema of others) {
      if (!this.#registry.has(schema))
        this.#registry.add(schema, { id: `${UNNAMED}${this.#registry._idmap.size}` });
    }
    const options = { io: 'output', unrepresentable: 'any', override, uri: refTo } as const;
    const { schemas } = z.toJSONSchema(this.#registry, options);
    this.#converted = Object.fromEntries(
      Object.entries(schemas).map(([id, { $schema: _, $id: __, ...rest }]) => [id, rest]),
    );
    this.components = Object.fromEntries(
      Object.entries(this.#converted).filter(([id]) => !id.startsWith(UNNAMED)),
    );
  }

  /** The whole, or a reference to it. */
  of(schema: z.ZodType): Json {
    const { id } = this.#registry.get(schema)!;
    return id.startsWith(UNNAMED) ? this.#converted[id]! : { $ref: refTo(id) };
  }
}

const UNNAMED = ':';

function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** What `wire` says of a schema is how it travels; bounds of safe integers say nothing, and some patterns
 * nothing beyond the format. */
function override({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodType;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}) {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.format === 'uuid' || jsonSchema.format === 'date-time') delete jsonSchema.pattern;
  const { wire, description } = (z.globalRegistry.get(zodSchema) ?? {}) as {
    wire?: Json;
    description?: string;
  };
  if (wire === undefined) return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  Object.assign(jsonSchema, wire, description !== undefined && { description });
}
