import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {AdaptPlan, BootPlan, DiskPackPlan, ImageOutput, Target, TargetFile} from '../contract.ts';
import {kernelOutputs, partitionPlan, singlePartitionPlan, withGrub} from '../shared/bare-disk.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskCmdline, testMemoryMiB} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';

/** Xen's console of paravirtual guests beside the others: a kernel leaves out those that are not there. */
const cmdline = 'console=tty0 console=hvc0 console=ttyS0,115200n8';

/** `nimbus`: an image whose root file system the node itself writes the owner's key into before it starts it. */
export const target: Target = {
  name: 'nimbus',
  version: 1,
  usualName: '{image}-{digest}',
  adapt,
  pack,
  boot: (_image, options) => [bootOf(options)],
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

function adapt(image: Image, options: JsonObject): AdaptPlan {
  const common = {
    image: withGrub(image),
    target: 'nimbus',
    cmdline: diskCmdline({image, options, cmdline}),
    loader: isPartition(options) ? 'site' : 'own',
  } as const;
  if (options['agent'] === 'cloud-init') {
    return cloudGuest({...common, datasources: ['Ec2', 'NoCloud', 'None'], files: [cloudInitFile]});
  }
  return cloudGuest({
    ...common,
    packages: ['curl'],
    files: [
      fileFrom('nimbus/files/nimbus-context', '/usr/local/lib/fgimage/nimbus-context', '0755'),
      fileFrom('nimbus/files/nimbus-context.service', '/etc/systemd/system/fgimage-nimbus-context.service'),
      fileFrom('nimbus/files/ssh-host-keys.service', '/etc/systemd/system/fgimage-ssh-host-keys.service'),
    ],
    enable: ['fgimage-nimbus-context.service', 'fgimage-ssh-host-keys.service'],
  });
}

/** Read after 90-fgimage.cfg: on Nimbus people log in as root. */
const cloudInitFile: TargetFile = {
  path: '/etc/cloud/cloud.cfg.d/92-fgimage-nimbus.cfg',
  content: `# fgimage: the key is root's, and the metadata server is not Amazon's.
disable_root: false
datasource:
  Ec2:
    strict_id: false
`,
  permissions: '0644',
};

function pack(image: Image, options: JsonObject): DiskPackPlan {
  const isCompressed = options['compress'] === 'gzip';
  const disk = (name: string): ImageOutput => ({
    kind: 'image',
    fileName: isCompressed ? `${name}.gz` : name,
    format: 'raw',
    ...(isCompressed ? {gzip: true} : {}),
  });
  return isPartition(options)
    ? partitionPlan({image, options, cmdline, outputs: [disk('root.raw'), ...kernelOutputs]})
    : singlePartitionPlan({image, options, cmdline, outputs: [disk('disk.raw')]});
}

function bootOf(options: JsonObject): BootPlan {
  return {
    kind: 'disk',
    name: isPartition(options) ? 'kernel' : 'bios',
    firmware: 'bios',
    // With cloud-init it is for sites whose metadata server is as Eucalyptus' is.
    platform: options['agent'] === 'cloud-init' ? 'eucalyptus' : 'nimbus',
    ...(isPartition(options) ? {direct: true} : {}),
    memoryMiB: testMemoryMiB(options),
  };
}

function isPartition(options: JsonObject): boolean {
  return options['layout'] === 'partition';
}
