import {readdirSync} from 'node:fs';
import {join, relative} from 'node:path';
import {pathToFileURL} from 'node:url';
import {z} from 'zod';
import {FgError} from '../src/errors.ts';
import * as fields from '../src/spec/fields.ts';
import {printable} from '../src/ui/format.ts';
import type {Target, TargetSchema} from './contract.ts';
import {adaptPlan, bootPlans, packPlan} from './plan-schemas.ts';
import {mainFile} from './project-folder.ts';
import {registerFields} from './register-options.ts';

/** What a target of the project may use for its options; it need not install anything. */
export interface SchemaTools {
  readonly z: typeof z;
  /** The values that specs are made of: `fields.size`, `fields.line`, `fields.uri([…])` … */
  readonly fields: typeof fields;
  readonly registerFields: typeof registerFields;
}

export interface ProjectTarget {
  readonly target: Target;
  readonly schema: TargetSchema;
  /** Its files, absolute: what it is changes with them. */
  readonly files: readonly string[];
}

/**
 * Loads a target that the project brings: `index.mjs` in its folder, with the same contract as those of fgimage
 * (docs/guide/own-target.md). Its code runs in this process. Throws `FgError` TARGET_INVALID.
 */
export async function loadProjectTarget(projectDir: string, type: string): Promise<ProjectTarget> {
  const main = mainFile(projectDir, type);
  if (main === undefined)
    throw invalid(`${type} has no index.mjs`, 'Export `target` and `schema` from there');
  const shown = relative(projectDir, main);
  const module = await import(pathToFileURL(main).href).then(
    (loaded: unknown) => loaded as Readonly<Record<string, unknown>>,
    (error: unknown) => {
      throw failed(shown, 'cannot be loaded', error);
    },
  );
  const {target: given, schema: makeSchema} = module;
  const shape = targetShape.safeParse(given);
  if (!shape.success) throw invalid(`${shown} exports no target: ${reasons(shape.error)}`, contract);
  if (typeof makeSchema !== 'function') throw invalid(`${shown} exports no function \`schema\``, contract);
  const tools: SchemaTools = {z, fields, registerFields};
  const make = makeSchema as (tools: SchemaTools) => unknown;
  const schema = call(shown, 'schema', () => make(tools));
  if (!(schema instanceof z.ZodObject))
    throw invalid(`schema() of ${shown} gives no object`, 'Let it return z.strictObject({…})');
  return {
    target: checked(given as Target, shown),
    schema: schema as TargetSchema,
    files: filesOf(projectDir, type),
  };
}

const contract = 'See docs/guide/own-target.md';

const targetShape = z.looseObject({
  name: z.string().min(1),
  version: z.int().min(1),
  adapt: z.custom<unknown>((value) => typeof value === 'function', 'a function is wanted'),
  pack: z.custom<unknown>((value) => typeof value === 'function', 'a function is wanted'),
  boot: z.custom<unknown>((value) => typeof value === 'function', 'a function is wanted'),
});

/** The target with its plans checked: the engine takes them for granted. */
function checked(target: Target, shown: string): Target {
  return {
    ...target,
    adapt: (image, options) =>
      plan(shown, 'adapt', {schema: adaptPlan, make: () => target.adapt(image, options)}),
    pack: (image, options) =>
      plan(shown, 'pack', {schema: packPlan, make: () => target.pack(image, options)}),
    boot: (image, options) =>
      plan(shown, 'boot', {schema: bootPlans, make: () => target.boot(image, options)}),
  };
}

function plan<T>(
  shown: string,
  name: string,
  {schema, make}: {readonly schema: z.ZodType<T>; readonly make: () => T},
): T {
  const result = schema.safeParse(call(shown, name, make));
  if (result.success) return result.data;
  throw invalid(`${name}() of ${shown} gives no plan: ${reasons(result.error)}`, contract);
}

function call<T>(shown: string, name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw failed(shown, `fails in ${name}()`, error);
  }
}

function failed(shown: string, what: string, error: unknown): FgError {
  const message = error instanceof Error ? error.message : String(error);
  const place =
    error instanceof Error ? /(?<place>[^/\s()]+:\d+:\d+)\)?$/m.exec(error.stack ?? '') : undefined;
  const at = place?.groups?.['place'] === undefined ? '' : ` (${place.groups['place']})`;
  return new FgError('TARGET_INVALID', `${shown} ${what}: ${printable(message)}${at}`, {
    hint: 'It is the project’s own code: mend it there',
    cause: error,
  });
}

function invalid(message: string, hint: string): FgError {
  return new FgError('TARGET_INVALID', message, {hint});
}

function reasons(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map(({path, message}) => `${path.length === 0 ? 'it' : path.join('.')}: ${message}`)
    .join('; ');
}

function filesOf(projectDir: string, type: string): readonly string[] {
  return readdirSync(join(projectDir, type), {recursive: true, withFileTypes: true})
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
