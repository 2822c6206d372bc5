import {z} from 'zod';
import {form, line, size} from '../../src/spec/fields.ts';
import {diskFields, firmwareField, formatField} from '../shared/disk-schema.ts';
import {checkedFileFields, hostFolder} from '../shared/file-schema.ts';

/** What libvirt takes as the name of a domain, and a shell without quotes. */
const domainName = form(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  'the name of a domain',
  'Use letters, digits, `.`, `_` and `-`',
);

/** Options of `targets: {libvirt: …}`. */
export const schema = z
  .strictObject({
    format: formatField(['qcow2', 'raw']),
    firmware: firmwareField('both'),
    ...diskFields,
    domain: z
      .strictObject({
        name: domainName.describe('Name of the domain; the image where it is left out.').exactOptional(),
        type: z
          .enum(['kvm', 'qemu'])
          .default('kvm')
          .describe('Who runs it: qemu is emulation, for hosts without KVM.'),
        cpus: z.int().min(1).max(512).default(2).describe('Virtual processors.'),
        memory: size.default('2GiB').describe('Memory of the machine.'),
        network: line.default('default').describe("libvirt's network that it is on."),
      })
      .default({type: 'kvm', cpus: 2, memory: '2GiB', network: 'default'})
      .describe('The machine in domain.xml.'),
    register: z
      .strictObject({
        ...checkedFileFields,
        pool: hostFolder
          .describe("Folder of a storage pool of libvirt's (type dir): /var/lib/libvirt/images.")
          .exactOptional(),
      })
      .describe('Puts the disk into a pool as a volume, and the domain beside it.')
      .exactOptional(),
  })
  .describe('A disk for libvirt, with the XML of a domain.');
