import type {JsonObject, JsonValue} from '../spec/image.ts';
import type {KeyParts} from './key.ts';

/**
 * The parts of a key as a record of the database holds them. Undefined where they are of another schema: a part is
 * missing, of another form, or one that this version does not know.
 */
export function asKeyParts(value: unknown): KeyParts | undefined {
  if (!isJsonObject(value)) return undefined;
  const {kind, version, params, inputs, files, tools, environment, salt, notes, ...unknown} = value;
  if (Object.keys(unknown).length > 0) return undefined;
  if (typeof kind !== 'string' || typeof version !== 'number') return undefined;
  if (!isJsonObject(params) || !isInputs(inputs)) return undefined;
  if (!isWords(files) || !isWords(tools) || !isWords(environment)) return undefined;
  if (salt !== undefined && typeof salt !== 'string') return undefined;
  if (notes !== undefined && !isJsonObject(notes)) return undefined;
  return {
    kind,
    version,
    params,
    inputs,
    files,
    tools,
    environment,
    ...(salt === undefined ? {} : {salt}),
    ...(notes === undefined ? {} : {notes}),
  };
}

export function isJsonObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isJson)
  );
}

export function isWordList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function isJson(value: unknown): value is JsonValue {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true;
  return Array.isArray(value) ? value.every(isJson) : isJsonObject(value);
}

function isWords(value: unknown): value is Readonly<Record<string, string>> {
  return isJsonObject(value) && Object.values(value).every((one) => typeof one === 'string');
}

function isInputs(value: unknown): value is KeyParts['inputs'] {
  return Array.isArray(value) && value.every((one) => isWordList(one) && one.length === 2);
}
