import {z} from 'zod';
import {form, line, size, uri} from '../../src/spec/fields.ts';
import {diskFields} from '../shared/disk-schema.ts';
import {fileRegisterFields} from '../shared/file-schema.ts';

/** `owner/box`, as Vagrant's `config.vm.box` has it; a plain word is one too. */
const boxName = form(
  /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)?$/,
  'the name of a box',
  'Write owner and box with letters, digits, `.`, `_` and `-`: example/web',
);

/** Options of `targets: {vagrant: …}`. */
export const schema = z
  .strictObject({
    cpus: z
      .int()
      .min(1)
      .max(512)
      .default(2)
      .describe('Virtual processors, unless a Vagrantfile says others.'),
    memory: size.default('2GiB').describe('Memory of the machine, unless a Vagrantfile says other.'),
    driver: z
      .enum(['kvm', 'qemu'])
      .default('kvm')
      .describe('Who runs it: qemu is emulation, for hosts without KVM.'),
    insecure_key: z
      .boolean()
      .default(true)
      .describe(
        "Whether the user vagrant takes Vagrant's own key, which everybody has, until the first `vagrant up` replaces it.",
      ),
    ...diskFields,
    register: z
      .strictObject({
        ...fileRegisterFields,
        catalog: z
          .strictObject({
            box: boxName.describe('Name of the box: example/web.'),
            url: uri(['http', 'https', 'file']).describe(
              'Where the folder is had from by those who use the boxes.',
            ),
            description: line.describe('What the box is.').exactOptional(),
          })
          .describe('Writes <box>.json beside the boxes, from which Vagrant learns their versions.')
          .exactOptional(),
      })
      .describe('Puts the box into a folder, checked, with a sidecar that says whose it is.')
      .exactOptional(),
  })
  .describe('A box for Vagrant with its libvirt provider.');
