import {type Member, type Model, type Parameters, Refusal, type Shape, shapeOf, type Value} from './model.ts';
import {type Complain, validate} from './validate.ts';

/**
 * The protocol `ec2`: parameters as a form, lists as `Name.1`, answers as XML. (Smithy, "AWS EC2 query protocol".)
 */
export interface QueryRequest {
  readonly action: string;
  readonly parameters: Parameters;
}

export function readQuery(model: Model, body: string): QueryRequest {
  const form = new URLSearchParams(body);
  const action = form.get('Action') ?? '';
  const operation = model.operations[action];
  if (operation?.input === undefined || form.get('Version') !== '2016-11-15')
    throw new Refusal('InvalidAction', `The action ${action} is not valid for this web service.`);
  const tree = treeOf([...form].filter(([name]) => name !== 'Action' && name !== 'Version'));
  const shape = shapeOf(model, operation.input.shape);
  const parameters = read(model, shape, tree) as Parameters;
  validate(model, {shape: operation.input.shape, value: parameters, complain});
  return {action, parameters};
}

const complain: Complain = (kind, message) =>
  new Refusal(
    {missing: 'MissingParameter', unknown: 'UnknownParameter', invalid: 'InvalidParameterValue'}[kind],
    message,
  );

type Tree = string | Map<string, Tree>;

/** `Filter.1.Value.2=x` as nested maps. */
function treeOf(pairs: readonly (readonly [string, string])[]): Tree {
  const root = new Map<string, Tree>();
  for (const [name, value] of pairs) {
    const parts = name.split('.');
    const last = parts.pop() ?? '';
    let at = root;
    for (const part of parts) {
      const next = at.get(part) ?? new Map<string, Tree>();
      if (typeof next === 'string') throw new Refusal('InvalidParameterValue', `${name} is given twice`);
      at.set(part, next);
      at = next;
    }
    at.set(last, value);
  }
  return root;
}

function read(model: Model, shape: Shape, tree: Tree): Value {
  switch (shape.type) {
    case 'structure': {
      if (typeof tree === 'string') return tree;
      const names = new Map(
        Object.entries(shape.members ?? {}).map(([name, member]) => [
          queryName(name, member),
          {name, member},
        ]),
      );
      return Object.fromEntries(
        [...tree].map(([key, inner]) => {
          const known = names.get(key);
          if (known === undefined) throw complain('unknown', `The parameter ${key} is not recognized`);
          return [known.name, read(model, shapeOf(model, known.member.shape), inner)];
        }),
      );
    }
    case 'list': {
      if (typeof tree === 'string') return tree;
      const inner = shapeOf(model, shape.member?.shape ?? '');
      const entries = [...tree].sort(([a], [b]) => Number(a) - Number(b));
      if (entries.some(([key], index) => key !== String(index + 1)))
        throw complain('invalid', `A list is not numbered from 1: ${entries.map(([key]) => key).join(', ')}`);
      return entries.map(([, one]) => read(model, inner, one));
    }
    default:
      return typeof tree === 'string' ? scalar(shape, tree) : (Object.fromEntries(tree) as Value);
  }
}

function scalar({type}: Shape, value: string): Value {
  if (type === 'integer' || type === 'long') return Number(value);
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if (type === 'timestamp') return new Date(value);
  return value;
}

function queryName(name: string, {queryName: own, locationName}: Member): string {
  if (own !== undefined) return own;
  const location = locationName ?? name;
  return location.slice(0, 1).toUpperCase() + location.slice(1);
}

/** An answer by the shape of the operation's output. */
export function answerXml(model: Model, action: string, value: Parameters): string {
  const output = model.operations[action]?.output;
  const inner =
    output === undefined ? '<return>true</return>' : membersXml(model, shapeOf(model, output.shape), value);
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
    `<requestId>${requestId}</requestId>${inner}</${action}Response>`
  );
}

export function refusalXml({code, message}: Refusal): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${escapeXml(code)}</Code>` +
    `<Message>${escapeXml(message)}</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`
  );
}

const requestId = '59dbff89-35bd-4eac-99ed-be587EXAMPLE';

function membersXml(model: Model, shape: Shape, value: Parameters): string {
  return Object.entries(value)
    .map(([name, one]) => {
      const member = shape.members?.[name];
      if (member === undefined) throw new Error(`The peer answers what the model does not have: ${name}`);
      return element(model, {
        name: member.locationName ?? name,
        shape: shapeOf(model, member.shape),
        value: one,
      });
    })
    .join('');
}

function element(model: Model, {name, shape, value}: {name: string; shape: Shape; value: Value}): string {
  return `<${name}>${contentXml(model, shape, value)}</${name}>`;
}

function contentXml(model: Model, shape: Shape, value: Value): string {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) {
    const member = shape.member;
    const inner = shapeOf(model, member?.shape ?? '');
    return value
      .map((one: Value) => element(model, {name: member?.locationName ?? 'item', shape: inner, value: one}))
      .join('');
  }
  if (typeof value === 'object') return membersXml(model, shape, value as Parameters);
  if (shape.enum !== undefined && !shape.enum.includes(String(value)))
    throw new Error(`The peer answers a value that the model does not have: ${String(value)}`);
  return escapeXml(String(value));
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
