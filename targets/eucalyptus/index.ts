import {machineOf} from '../../src/spec/distributions.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {BootPlan, Target} from '../contract.ts';
import {kernelOutputs, partitionPlan, withGrub} from '../shared/bare-disk.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskCmdline, diskPlan, testMemoryMiB} from '../shared/disk.ts';

/** `eucalyptus`: a disk, or a root file system with its kernel, that takes its identity as on EC2. */
export const target: Target = {
  name: 'eucalyptus',
  version: 1,
  usualName: '{image}-{digest}',
  adapt: (image, options) =>
    cloudGuest({
      image: withGrub(image),
      target: 'eucalyptus',
      datasources: ['Ec2', 'None'],
      cloudConfig,
      cmdline: diskCmdline({image, options}),
      loader: isParavirtual(options) ? 'site' : 'own',
    }),
  pack: (image, options) =>
    isParavirtual(options)
      ? partitionPlan({
          image,
          options,
          outputs: [{kind: 'image', fileName: 'root.raw', format: 'raw'}, ...kernelOutputs],
        })
      : diskPlan({
          image: withGrub(image),
          options,
          firmware: 'bios',
          outputs: [{kind: 'image', fileName: 'disk.raw', format: 'raw'}],
        }),
  boot: (_image, options) => [bootOf(options)],
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** Its machines do not say that they are Amazon's, and its metadata service knows no tokens. */
const cloudConfig = `datasource:
  Ec2:
    strict_id: false
    metadata_urls: ['http://169.254.169.254']
    max_wait: 120
    timeout: 10
`;

function bootOf(options: JsonObject): BootPlan {
  return {
    kind: 'disk',
    name: isParavirtual(options) ? 'kernel' : 'bios',
    firmware: 'bios',
    platform: 'eucalyptus',
    ...(isParavirtual(options) ? {direct: true} : {}),
    memoryMiB: testMemoryMiB(options),
  };
}

export function isParavirtual(options: JsonObject): boolean {
  return options['virtualization'] === 'paravirtual';
}

/** Eucalyptus' word for an architecture of Debian. */
export function architectureOf({os}: Image): string {
  return machineOf(os.architecture);
}
