import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {ArchiveOutput, Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan, firmwareOf} from '../shared/disk.ts';
import {withInitrdModules} from '../shared/initrd-modules.ts';
import {type OvfMachine, ovfDescriptor} from './envelope.ts';

/** `ova`: a virtual appliance for VMware, VirtualBox and whatever else imports OVF. README.md says what is in it. */
export const target: Target = {
  name: 'ova',
  version: 1,
  adapt: (image, options) =>
    withInitrdModules(
      cloudGuest({
        image,
        target: 'ova',
        datasources: datasourcesOf(image),
        cmdline: diskCmdline({image, options}),
        packages: ['open-vm-tools'],
        enable: ['open-vm-tools.service'],
      }),
      'ova',
      ['vmw_pvscsi', 'vmxnet3', 'mptspi', 'mptsas', 'ahci', 'ata_piix', 'e1000', 'e1000e'],
    ),
  pack: (image, options) =>
    diskPlan({
      image,
      options,
      outputs: [archive(image, options)],
      storage: {multipleOfBytes: 1 << 20},
    }),
  boot: (_image, options) => diskBoots(options, {platform: 'vmware', bus: 'scsi'}),
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** The VMware data source came with cloud-init 21.3. NoCloud is for a seed disk, as with VirtualBox. */
function datasourcesOf({os}: Image): readonly string[] {
  return [
    ...(os.distribution === 'debian' && os.release === 'bullseye' ? [] : ['VMware']),
    'OVF',
    'NoCloud',
    'None',
  ];
}

/** The descriptor is first, so that who reads the archive as a stream knows what comes (DSP0243 2.0.1, 6.3). */
function archive(image: Image, options: JsonObject): ArchiveOutput {
  const diskFile = `${image.name}-disk1.vmdk`;
  const descriptor = `${image.name}.ovf`;
  return {
    kind: 'archive',
    fileName: `${image.name}.ova`,
    format: 'ustar',
    members: [
      {kind: 'text', fileName: descriptor, template: ovfDescriptor(machineOf(image, options, diskFile))},
      {kind: 'text', fileName: `${image.name}.mf`, template: manifest([descriptor, diskFile])},
      {kind: 'image', fileName: diskFile, format: 'vmdk'},
    ],
  };
}

/** DSP0243 2.0.1, 6.4.1. */
function manifest(files: readonly string[]): string {
  return files.map((file) => `SHA256(${file})= {{sha256:${file}}}\n`).join('');
}

/** The newest names that the hosts which are in use know: releases of Debian, Ubuntu as a whole. */
const guestIds: Readonly<Record<string, string>> = {
  'debian bullseye': 'debian11_64Guest',
  debian: 'debian12_64Guest',
  ubuntu: 'ubuntu64Guest',
};

function guestIdOf({os: {distribution, release}}: Image): string {
  return guestIds[`${distribution} ${release}`] ?? guestIds[distribution] ?? 'otherLinux64Guest';
}

function machineOf(image: Image, options: JsonObject, diskFile: string): OvfMachine {
  const {ovf_version: version, cpus, hardware_version: hardwareVersion, network_adapter: adapter} = options;
  const {guest_id: guestId, product, vendor, product_version: productVersion, memory, network} = options;
  const memoryBytes = typeof memory === 'string' ? parseSize(memory) : undefined;
  if (
    (version !== '1.0' && version !== '2.0') ||
    typeof cpus !== 'number' ||
    typeof hardwareVersion !== 'number' ||
    typeof adapter !== 'string' ||
    typeof network !== 'string' ||
    memoryBytes === undefined
  ) {
    throw new Error(`Unchecked options: ${JSON.stringify(options)}`);
  }
  return {
    version,
    name: image.name,
    ...(image.description === undefined ? {} : {description: image.description}),
    diskFile,
    cpus,
    memoryMiB: Math.ceil(memoryBytes / (1 << 20)),
    hardwareVersion,
    firmware: firmwareOf(options),
    guestId: typeof guestId === 'string' ? guestId : guestIdOf(image),
    network,
    networkAdapter: adapter,
    product: typeof product === 'string' ? product : image.name,
    ...(typeof vendor === 'string' && {vendor}),
    ...(typeof productVersion === 'string' && {productVersion}),
  };
}
