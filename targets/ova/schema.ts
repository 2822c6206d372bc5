import {z} from 'zod';
import {line, size} from '../../src/spec/fields.ts';
import {diskFields, firmwareField} from '../shared/disk-schema.ts';
import {fileRegister} from '../shared/file-schema.ts';

const word = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'letters, digits, `.`, `_` and `-` are wanted');

/** Options of `targets: {ova: …}`. */
export const schema = z
  .strictObject({
    ovf_version: z
      .enum(['2.0', '1.0'])
      .default('2.0')
      .describe('Version of the OVF envelope: 1.0 for VMware and virt-v2v, which read no other.'),
    cpus: z.int().min(1).max(768).default(2).describe('Virtual processors.'),
    memory: size.default('2GiB').describe('Memory of the machine.'),
    hardware_version: z
      .int()
      .min(10)
      .max(99)
      .default(14)
      .describe("VMware's virtual hardware: 14 is vSphere 6.7, 20 is vSphere 8."),
    firmware: firmwareField('both'),
    guest_id: word.describe("VMware's name of the guest system; by the release.").exactOptional(),
    network: line.default('VM Network').describe('Name of the network, mapped to a real one at import.'),
    network_adapter: z
      .enum(['VmxNet3', 'E1000e', 'E1000'])
      .default('VmxNet3')
      .describe('Type of the network card.'),
    product: line.describe('Name of the product; the image where it is left out.').exactOptional(),
    vendor: line.describe('Who makes it.').exactOptional(),
    product_version: line.describe('Its version.').exactOptional(),
    ...diskFields,
    register: fileRegister,
  })
  .describe('An OVA for VMware, VirtualBox and whatever else imports OVF.');
