import {z} from 'zod';
import type {Provisioner} from './image.ts';
import type {Path} from './tree.ts';

/**
 * A kind of provisioner: the key of an entry of `provision` and what its value means. A kind is one module in
 * src/stages/provision and one line in `kinds`.
 */
export interface ProvisionKind {
  readonly kind: Provisioner['kind'];
  /** Of the value below the key. */
  readonly schema: z.ZodType;
  /**
   * Reads a value that the schema has accepted. `isFile` tells whether a path of the project is an existing file.
   * Gives the provisioner and the files of the project that it names.
   */
  interpret(value: unknown, isFile: (path: string) => boolean): Interpreted;
}

export interface Interpreted {
  readonly provisioner: Provisioner;
  /** Each with its place inside the value. */
  readonly files: readonly {readonly at: Path; readonly path: string}[];
}

const kinds: Readonly<Record<Provisioner['kind'], () => Promise<ProvisionKind>>> = {
  shell: async () => (await import('../stages/provision/shell-schema.ts')).shell,
};

export type ProvisionKinds = ReadonlyMap<string, ProvisionKind>;
export type ProvisionSchema = Awaited<ReturnType<typeof provisionSchema>>;

/** All kinds by their key. */
export async function provisionKinds(): Promise<ProvisionKinds> {
  const loaded = await Promise.all(Object.values(kinds).map((load) => load()));
  return new Map(loaded.map((kind) => [kind.kind, kind]));
}

/** The schema of one entry of `provision`: a mapping with one key, the kind. */
export async function provisionSchema() {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, {schema}] of await provisionKinds()) shape[name] = schema.exactOptional();
  return z
    .strictObject(shape)
    .meta({description: 'A step: {<kind>: …}.', minProperties: 1, maxProperties: 1});
}
