import {type Model, type Parameters, type Refusal, type Shape, shapeOf, type Value} from './model.ts';

/** How a service says that a parameter is not as it must be. */
export type Complain = (kind: 'missing' | 'unknown' | 'invalid', message: string) => Refusal;

/** Checks parameters against their shape: nothing unknown, nothing required missing, enums, lengths, patterns, types. */
export function validate(
  model: Model,
  {shape: name, value, complain}: {shape: string; value: Parameters; complain: Complain},
): void {
  check(model, {shape: shapeOf(model, name), value, path: '', complain});
}

interface Checked {
  readonly shape: Shape;
  readonly value: Value;
  readonly path: string;
  readonly complain: Complain;
}

function check(model: Model, checked: Checked): void {
  const {shape, value, path, complain} = checked;
  switch (shape.type) {
    case 'structure':
      checkStructure(model, checked);
      return;
    case 'list': {
      if (!Array.isArray(value)) throw complain('invalid', `${path} is not a list`);
      checkSize(checked, value.length);
      const inner = shapeOf(model, shape.member?.shape ?? '');
      for (const [index, one] of (value as readonly Value[]).entries())
        check(model, {shape: inner, value: one, path: `${path}.${index + 1}`, complain});
      return;
    }
    case 'integer':
    case 'long':
      if (typeof value !== 'number' || !Number.isSafeInteger(value))
        throw complain('invalid', `${path} is not a whole number: ${text(value)}`);
      checkSize(checked, value);
      return;
    case 'boolean':
      if (typeof value !== 'boolean')
        throw complain('invalid', `${path} is neither true nor false: ${text(value)}`);
      return;
    case 'timestamp':
      if (!(value instanceof Date) || Number.isNaN(value.getTime()))
        throw complain('invalid', `${path} is not a time: ${text(value)}`);
      return;
    case 'string':
      checkString(checked);
      return;
    default:
      // Blobs are checked by what takes them.
      return;
  }
}

function checkStructure(model: Model, {shape, value, path, complain}: Checked): void {
  if (typeof value !== 'object' || Array.isArray(value) || value instanceof Date)
    throw complain('invalid', `${path} is not a structure`);
  const members = shape.members ?? {};
  const given = value as Parameters;
  const prefix = path === '' ? '' : `${path}.`;
  for (const name of Object.keys(given)) {
    if (members[name] === undefined)
      throw complain('unknown', `The parameter ${prefix}${name} is not recognized`);
  }
  for (const name of shape.required ?? []) {
    if (given[name] === undefined)
      throw complain('missing', `The request must contain the parameter ${prefix}${name}`);
  }
  for (const [name, one] of Object.entries(given)) {
    const inner = shapeOf(model, members[name]?.shape ?? '');
    check(model, {shape: inner, value: one, path: prefix + name, complain});
  }
}

function checkString(checked: Checked): void {
  const {shape, value, path, complain} = checked;
  if (typeof value !== 'string') throw complain('invalid', `${path} is not a text: ${text(value)}`);
  checkSize(checked, value.length);
  if (shape.enum !== undefined && !shape.enum.includes(value))
    throw complain('invalid', `Value (${value}) for parameter ${path} is invalid: ${shape.enum.join(', ')}`);
  if (shape.pattern !== undefined && !new RegExp(shape.pattern, 'u').test(value))
    throw complain('invalid', `Value (${value}) for parameter ${path} does not match ${shape.pattern}`);
}

function checkSize(
  {shape: {min = Number.NEGATIVE_INFINITY, max = Infinity}, path, complain}: Checked,
  size: number,
): void {
  if (size < min || size > max)
    throw complain('invalid', `${path} is out of range: ${size}, from ${min} to ${max}`);
}

function text(value: Value): string {
  return JSON.stringify(value);
}
