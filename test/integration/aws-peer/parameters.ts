import type {Parameters, Value} from './model.ts';

/** Reading parameters that the model has checked. */
export function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name];
  return typeof value === 'string' ? value : undefined;
}

export function numberOf(parameters: Parameters, name: string): number | undefined {
  const value = parameters[name];
  return typeof value === 'number' ? value : undefined;
}

export function partOf(parameters: Parameters, name: string): Parameters {
  return isParameters(parameters[name]) ? parameters[name] : {};
}

export function listOf(parameters: Parameters, name: string): readonly Value[] {
  const value = parameters[name];
  return Array.isArray(value) ? (value as readonly Value[]) : [];
}

export function partsOf(parameters: Parameters, name: string): readonly Parameters[] {
  return listOf(parameters, name).filter(isParameters);
}

export function textsOf(parameters: Parameters, name: string): readonly string[] {
  return listOf(parameters, name).filter((one) => typeof one === 'string');
}

/** `[{Key, Value}]` */
export function tagsIn(parameters: Parameters, name: string): ReadonlyMap<string, string> {
  return new Map(
    partsOf(parameters, name).map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '']),
  );
}

/** `Filter` as EC2 has it: all filters, any value of each. */
export function filtersIn(
  parameters: Parameters,
): readonly {readonly name: string; readonly values: readonly string[]}[] {
  return partsOf(parameters, 'Filters').map((filter) => ({
    name: textOf(filter, 'Name') ?? '',
    values: textsOf(filter, 'Values'),
  }));
}

/** The value without what is undefined, which an answer leaves out. */
export function given(values: Readonly<Record<string, Value | undefined>>): Parameters {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}

function isParameters(value: Value | undefined): value is Parameters {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
}
