import type {TargetSchema} from './contract.ts';

/** Every target type with its options' schema, loaded when a spec names the type. */
export const targetSchemas: Readonly<Record<string, () => Promise<TargetSchema>>> = {
  openstack: async () => (await import('./openstack/schema.ts')).schema,
  hpc: async () => (await import('./hpc/schema.ts')).schema,
  oci: async () => (await import('./oci/schema.ts')).schema,
  tarball: async () => (await import('./tarball/schema.ts')).schema,
  azure: async () => (await import('./azure/schema.ts')).schema,
  ec2: async () => (await import('./ec2/schema.ts')).schema,
  eucalyptus: async () => (await import('./eucalyptus/schema.ts')).schema,
  gcp: async () => (await import('./gcp/schema.ts')).schema,
  libvirt: async () => (await import('./libvirt/schema.ts')).schema,
  nimbus: async () => (await import('./nimbus/schema.ts')).schema,
  opennebula: async () => (await import('./opennebula/schema.ts')).schema,
  ova: async () => (await import('./ova/schema.ts')).schema,
  vagrant: async () => (await import('./vagrant/schema.ts')).schema,
};
