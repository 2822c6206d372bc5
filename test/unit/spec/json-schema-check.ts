/** The part of JSON Schema that `specJsonSchema` uses, read literally; an unknown keyword is a defect of the test. */
type Schema = Readonly<Record<string, unknown>>;

const silent = new Set(['$schema', '$defs', 'title', 'description', 'default']);

export function matches(schema: Schema, value: unknown, root: Schema = schema): boolean {
  return Object.entries(schema).every(
    ([keyword, rule]) => silent.has(keyword) || holds(keyword, rule, {schema, value, root}),
  );
}

interface Case {
  readonly schema: Schema;
  readonly value: unknown;
  readonly root: Schema;
}

function holds(keyword: string, rule: unknown, {schema, value, root}: Case): boolean {
  const check = (inner: unknown, one: unknown): boolean => matches(inner as Schema, one, root);
  const object = isObject(value) ? value : {};
  const rules = isObject(rule) ? rule : {};
  switch (keyword) {
    case '$ref':
      return check((root['$defs'] as Schema)[String(rule).replace('#/$defs/', '')], value);
    case 'type':
      return typeOf(value).includes(String(rule));
    case 'const':
      return value === rule;
    case 'enum':
      return (rule as unknown[]).includes(value);
    case 'anyOf':
      return (rule as unknown[]).some((one) => check(one, value));
    case 'allOf':
      return (rule as unknown[]).every((one) => check(one, value));
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(rule), 'u').test(value);
    case 'minLength':
      return typeof value !== 'string' || value.length >= Number(rule);
    case 'minimum':
      return typeof value !== 'number' || value >= Number(rule);
    case 'maximum':
      return typeof value !== 'number' || value <= Number(rule);
    case 'minItems':
      return !Array.isArray(value) || value.length >= Number(rule);
    case 'items':
      return !Array.isArray(value) || value.every((one) => check(rule, one));
    case 'minProperties':
      return !isObject(value) || Object.keys(value).length >= Number(rule);
    case 'maxProperties':
      return !isObject(value) || Object.keys(value).length <= Number(rule);
    case 'required':
      return !isObject(value) || (rule as string[]).every((key) => key in value);
    case 'properties':
      return Object.entries(rules).every(([key, inner]) => !(key in object) || check(inner, object[key]));
    case 'propertyNames':
      return Object.keys(object).every((key) => check(rule, key));
    case 'patternProperties':
      return true;
    case 'additionalProperties': {
      const known = Object.keys(schema['properties'] ?? {});
      const others = Object.keys(object).filter((key) => !known.includes(key) && !key.startsWith('x-'));
      return rule === false ? others.length === 0 : others.every((key) => check(rule, object[key]));
    }
    default:
      throw new Error(`The check does not know ${keyword}`);
  }
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  if (typeof value === 'number') return Number.isInteger(value) ? ['number', 'integer'] : ['number'];
  return [typeof value];
}
