import {z} from 'zod';
import type {JsonObject, Os} from './image.ts';
import {stepFields} from './provision-step.ts';
import type {Path} from './tree.ts';

/**
 * A kind of provisioner: the key of an entry of `provision` and what its value means. A kind is a folder in
 * src/stages/provision (`schema.ts`, `run.ts`), one line in `kinds` and one in src/stages/provision/registry.ts.
 */
export interface ProvisionKind {
  readonly kind: string;
  /** Raised when the code of the kind changes what is written. */
  readonly version: number;
  /** Of the value below the key. */
  readonly schema: z.ZodType;
  /** Reads a value that the schema has accepted. `isFile` tells whether a path of the project is an existing file. */
  interpret(value: unknown, isFile: (path: string) => boolean): Interpreted;
  /** What is wrong with the project's files that the step stands on, beside that one is missing. */
  check?(options: JsonObject, project: StepProject): Promise<readonly StepProblem[]>;
  /** What the step needs; found out whenever a plan is made. Throws `FgError` SPEC_INVALID where that cannot be told. */
  needs(options: JsonObject, project: StepProject): Promise<StepNeeds>;
}

export interface StepProject {
  /** Absolute path of the project's folder. */
  readonly dir: string;
  /** The image's system; absent where it is not known yet. */
  readonly os?: Os;
}

export interface Interpreted {
  readonly options: JsonObject;
  /** Files and folders of the project that the value names, each with its place inside the value. */
  readonly files: readonly {readonly at: Path; readonly path: string; readonly folder?: boolean}[];
  /** Names among the step's `secrets` that the value stands on. */
  readonly secrets?: readonly {readonly at: Path; readonly name: string}[];
}

/** What is wrong with a step: with its place inside the value of the key, the reason and the mend. */
export interface StepProblem {
  readonly at: Path;
  readonly message: string;
  readonly hint: string;
}

export interface StepNeeds {
  /** Every file of the project that it reads: their digests are in its key. */
  readonly files: readonly string[];
  /** Folders of the project in which one file more, at whatever depth, may change what it needs. */
  readonly folders?: readonly string[];
  /** Packages that are installed for it in its own layer before it runs, as apt-get(8) is told. */
  readonly install?: readonly string[];
  /** Whether those stay in the image; else they are purged after it, with what only they needed. */
  readonly keep?: boolean;
  /** A tools image whose programs it runs: `templates/debian/tools-<name>.json`. */
  readonly tools?: string;
  /** What else belongs into the key. */
  readonly params?: JsonObject;
}

const kinds: Readonly<Record<string, () => Promise<ProvisionKind>>> = {
  shell: async () => (await import('../stages/provision/shell/schema.ts')).shell,
  chef: async () => (await import('../stages/provision/chef/schema.ts')).chef,
  ansible: async () => (await import('../stages/provision/ansible/schema.ts')).ansible,
  puppet: async () => (await import('../stages/provision/puppet/schema.ts')).puppet,
  'cloud-init': async () => (await import('../stages/provision/cloud-init/schema.ts')).cloudInit,
};

/** The keys of all kinds. */
export const kindNames: ReadonlySet<string> = new Set(Object.keys(kinds));

export type ProvisionKinds = ReadonlyMap<string, ProvisionKind>;
export type ProvisionSchema = Awaited<ReturnType<typeof provisionSchema>>;

/** All kinds by their key. */
export async function provisionKinds(): Promise<ProvisionKinds> {
  const loaded = await Promise.all(Object.values(kinds).map((load) => load()));
  return new Map(loaded.map((kind) => [kind.kind, kind]));
}

/** The schema of one entry of `provision`: a mapping with one kind, and what may be said of every step. */
export async function provisionSchema() {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, {schema}] of await provisionKinds()) shape[name] = schema.exactOptional();
  return z
    .strictObject({...shape, ...stepFields})
    .meta({description: 'A step: {<kind>: …}, and what is said of it.', minProperties: 1});
}
