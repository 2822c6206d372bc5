import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {Ajv, type ErrorObject} from 'ajv';
import addFormats from 'ajv-formats';
import {spdxSchema} from './spdx-schema.ts';

const require = createRequire(import.meta.url);
/** It has no types: international addresses and references, which CycloneDX asks for. */
const addNewerFormats = require('ajv-formats-draft2019') as (ajv: Ajv) => void;

/** CycloneDX's own schemas, as its library brings them. */
function cyclonedxSchema(name: string): object {
  const library = require.resolve('@cyclonedx/cyclonedx-library/package.json');
  const path = join(dirname(library), 'res/schema', `${name}.SNAPSHOT.schema.json`);
  return JSON.parse(readFileSync(path, 'utf8')) as object;
}

/** What is wrong with a document, a line each: none when it is valid. */
export type Check = (document: unknown) => readonly string[];

export function cyclonedxCheck(): Check {
  const ajv = newAjv();
  for (const name of ['spdx', 'jsf-0.82'])
    ajv.addSchema(cyclonedxSchema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return checkOf(ajv, cyclonedxSchema('bom-1.6'));
}

export function spdxCheck(): Check {
  return checkOf(newAjv(), spdxSchema);
}

/** The ids of SPDX's licence list, exceptions among them. */
export function spdxLicenceIds(): ReadonlySet<string> {
  return new Set((cyclonedxSchema('spdx') as {readonly enum: readonly string[]}).enum);
}

function newAjv(): Ajv {
  // CycloneDX annotates with words of its own.
  const ajv = new Ajv({allErrors: true, strict: false});
  addFormats.default(ajv);
  addNewerFormats(ajv);
  return ajv;
}

function checkOf(ajv: Ajv, schema: object): Check {
  const validate = ajv.compile(schema);
  return (document) => (validate(document) ? [] : (validate.errors ?? []).map(told));
}

function told({instancePath, message, params}: ErrorObject): string {
  return `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`;
}
