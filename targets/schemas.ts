import type {TargetSchema} from './contract.ts';

/** Every target type with its options' schema, loaded when a spec names the type. */
export const targetSchemas: Readonly<Record<string, () => Promise<TargetSchema>>> = {
  openstack: async () => (await import('./openstack/schema.ts')).schema,
  hpc: async () => (await import('./hpc/schema.ts')).schema,
  oci: async () => (await import('./oci/schema.ts')).schema,
  tarball: async () => (await import('./tarball/schema.ts')).schema,
};
