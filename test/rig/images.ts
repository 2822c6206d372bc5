import type {Copy, Image, JsonObject, Provisioner} from '../../src/spec/image.ts';

/** An image with nothing but an OS, and what the test says. */
export function image(parts: Partial<Image> = {}): Image {
  return {
    name: 'web',
    tags: [],
    os: {distribution: 'debian', release: 'bookworm', architecture: 'amd64'},
    repositories: [],
    packages: [],
    remove_packages: [],
    groups: [],
    users: [],
    write_files: [],
    copy: [],
    provision: [],
    services: {enable: [], disable: [], mask: []},
    kernel: {},
    storage: {},
    tests: [],
    targets: [openstack(), hpc()],
    ...parts,
  };
}

export function openstack(options: JsonObject = {}): Image['targets'][number] {
  return {name: 'openstack', type: 'openstack', options: {format: 'qcow2', firmware: 'both', ...options}};
}

export function hpc(options: JsonObject = {}): Image['targets'][number] {
  return {name: 'hpc', type: 'hpc', options: {compression: 'zstd', ...options}};
}

export function copyOf(source: string | readonly string[], path: string, parts: Partial<Copy> = {}): Copy {
  return {
    source: typeof source === 'string' ? [source] : source,
    path,
    owner: 'root:root',
    exclude: [],
    ...parts,
  };
}

/** A step of `provision` as a spec that says only its script has it. */
export function shellStep(options: {readonly file: string} | {readonly inline: string}): Provisioner {
  return {kind: 'shell', options, network: false, secrets: [], caches: []};
}
