import {z} from 'zod';
import {targetSchemas} from '../../targets/schemas.ts';
import {specSchemas} from './schema.ts';
import type {TargetSchemas} from './targets.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema (draft 2020-12) of fgimage.yaml for editors: made of the schemas that `loadSpec` uses, the options
 * of every target type among them. What only a check can say (paths, names that repeat) is not in it.
 */
export async function specJsonSchema(targets: TargetSchemas = targetSchemas): Promise<JsonSchema> {
  const {file} = await specSchemas();
  const schema = toJsonSchema(file);
  const properties = record(schema['properties']);
  const images = record(properties['images']);
  const image = record(images['additionalProperties']);
  const inner = (image['anyOf'] as readonly unknown[]).map((one) => {
    const branch = record(one);
    return branch['properties'] === undefined ? branch : withTargets(branch);
  });
  const described = withTargets({
    ...schema,
    properties: {...properties, images: {...images, additionalProperties: {...image, anyOf: inner}}},
  });
  return {
    ...described,
    title: 'fgimage.yaml',
    description: 'One machine image for many infrastructures.',
    patternProperties: {'^x-': {description: 'Holds YAML anchors; not read.'}},
    $defs: await targetDefinitions(targets),
  };

  function withTargets(body: JsonSchema): JsonSchema {
    const shape = record(body['properties']);
    return {
      ...body,
      properties: {...shape, targets: targetsSchema(record(shape['targets']), Object.keys(targets))},
    };
  }
}

function targetsSchema(generic: JsonSchema, types: readonly string[]): JsonSchema {
  const bare = types.map((type): [string, JsonSchema] => [
    type,
    {anyOf: [{type: 'null'}, {const: false}, {$ref: `#/$defs/target-${type}`}]},
  ]);
  const named = types.map((type) => ({
    allOf: [{$ref: `#/$defs/target-${type}`}, {required: ['type'], properties: {type: {const: type}}}],
  }));
  const [list] = generic['anyOf'] as readonly [JsonSchema];
  return {
    description: generic['description'],
    anyOf: [
      {...list, items: {enum: types}},
      {
        type: 'object',
        properties: Object.fromEntries(bare),
        additionalProperties: {anyOf: [{const: false}, ...named, ownTarget]},
      },
    ],
  };
}

/** A target of the project: what it takes only its own code knows. */
const ownTarget = {
  type: 'object',
  additionalProperties: true,
  properties: {
    type: {type: 'string', pattern: '^\\./', description: 'A folder of the project with a target.'},
  },
};

/** Each type's options with `type` beside them. */
async function targetDefinitions(targets: TargetSchemas): Promise<JsonSchema> {
  const definitions: Record<string, unknown> = {};
  for (const [type, load] of Object.entries(targets)) {
    const options: JsonSchema = Object.fromEntries(
      Object.entries(toJsonSchema(await load())).filter(([key]) => key !== '$schema'),
    );
    const named = {
      type: {enum: Object.keys(targets), description: 'The target type; else its name is the type.'},
    };
    definitions[`target-${type}`] = {...options, properties: {...named, ...record(options['properties'])}};
  }
  return definitions;
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {io: 'input', target: 'draft-2020-12'});
}

function record(value: unknown): JsonSchema {
  if (typeof value !== 'object' || value === null)
    throw new Error('The JSON Schema has another shape than expected');
  return value as JsonSchema;
}
