import {z} from 'zod';
import {complaint, form, line, projectPath, size} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';
import {diskFields, firmwareField, formatField} from '../shared/disk-schema.ts';

const attributeName = form(
  /^[A-Z][A-Z0-9_]{0,63}$/,
  'the name of an attribute',
  'Use capital letters, digits and `_`, a letter first: HYPERVISOR',
);

/** What fgimage writes itself, or what would make another image of it. */
const ownAttributes = [
  'NAME',
  'TYPE',
  'PERSISTENT',
  'DEV_PREFIX',
  'DESCRIPTION',
  'LABELS',
  'PATH',
  'SOURCE',
  'SIZE',
  'FORMAT',
  'DRIVER',
  'MD5',
  'SHA1',
  'FROM_APP',
  'FROM_BACKUP_DS',
  'SAVED_VM_ID',
  'ERROR',
];

function isFree(name: string): boolean {
  return !ownAttributes.includes(name) && !name.startsWith('FGIMAGE_');
}

const attributes = z
  .record(
    attributeName.refine(isFree, {
      error: ({input}) => complaint(`${String(input)} is an attribute that fgimage writes`, 'Leave it out'),
    }),
    line,
  )
  .describe('Further attributes of the image, e.g. HYPERVISOR: kvm.')
  .exactOptional();

/** A whole name as users and groups have it (User.cc, INVALID_NAME_CHARS), or an id. */
const principal = form(
  /^[^\s:&|\\";/'#{}$<>]{1,128}$/u,
  'the name of a user or group of OpenNebula',
  'Write the name as `oneuser list` or `onegroup list` shows it',
);

const mode = form(
  /^[0-7]{3}$/,
  'a mode of three digits',
  'Write use (4), manage (2), admin (1) for owner, group and others, in quotes: "640"',
);

const network = z.union([
  line,
  z.strictObject({
    name: line.describe('Name of the virtual network.'),
    owner: principal
      .describe('Whose network it is; the owner of the VM where it is left out.')
      .exactOptional(),
    model: line.describe('Model of the interface, e.g. virtio.').exactOptional(),
  }),
]);

const vmTemplate = z
  .strictObject({
    name: line.describe('Name of the VM template; that of the image where it is left out.').exactOptional(),
    cpu: z.number().min(0.01).max(1024).default(1).describe('Share of physical CPUs.'),
    vcpu: z.int().min(1).max(1024).describe('Virtual CPUs.').exactOptional(),
    memory: size.default('1GiB').describe('Memory of a machine.'),
    networks: z.array(network).default([]).describe('Virtual networks, one interface each.'),
    machine: line.describe('Machine type, e.g. q35; that of the cloud where it is left out.').exactOptional(),
    firmware: line
      .describe('BIOS, UEFI, or a path of OVMF_UEFIS; UEFI where the disk boots under nothing else.')
      .exactOptional(),
    graphics: z.boolean().default(true).describe('A VNC console.'),
    context: z
      .record(attributeName, line)
      .describe('Further variables of the CONTEXT disk, e.g. SET_HOSTNAME: $NAME.')
      .exactOptional(),
  })
  .describe('A VM template with the image, named, shared and removed with it.')
  .exactOptional();

const transfers = ['path', 'http_source', 'serve'] as const;

const register = z
  .strictObject({
    ...registerFields,
    endpoint: z
      .url({protocol: /^https?$/})
      .describe('URL of the XML-RPC service; ONE_XMLRPC where it is left out.')
      .exactOptional(),
    ca: projectPath.describe('Certificates that the endpoint is verified with, PEM.').exactOptional(),
    datastore: z
      .union([line, z.int().min(0)])
      .default('default')
      .describe('Name or id of the image datastore.'),
    persistent: z
      .boolean()
      .default(false)
      .describe('Whether one VM may have the image, and keeps what it writes.'),
    dev_prefix: z
      .enum(['vd', 'sd', 'hd', 'xvd'])
      .default('vd')
      .describe('How the disk is attached: vd is virtio, sd is SCSI.'),
    description: line.describe('What people see beside the name.').exactOptional(),
    labels: z
      .array(form(/^[^,\p{Cc}]+$/u, 'a label', 'Write it without commas; `/` makes a label below another'))
      .describe('Labels, added to those that others gave.')
      .exactOptional(),
    attributes,
    owner: principal.describe('User whom the image is given to; administrators may.').exactOptional(),
    group: principal.describe('Group whom the image is given to.').exactOptional(),
    permissions: mode.describe('Who may use, manage and administer it, e.g. "640".').exactOptional(),
    template: vmTemplate,
    path: form(/^\/[^\p{Cc}'\s]*$/u, 'an absolute path', 'Write a folder of SAFE_DIRS: /var/tmp')
      .describe(
        'Folder on this host that the front-end sees under the same path; the disk is copied into it.',
      )
      .exactOptional(),
    http_source: form(
      /^https?:\/\/[^\s'\p{Cc}]+$/u,
      'a URL',
      'Write http:// or https:// and where the disk is, with {digest} and {file}',
    )
      .describe(
        'URL under which the front-end gets the disk from a web server of yours, with {digest} and {file}.',
      )
      .exactOptional(),
    serve: form(
      /^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?$/,
      'an address',
      'Write an address of this host, and a port where it matters: 192.0.2.10:8080',
    )
      .describe('Address of this host, and a port, at which the front-end gets the disk from fgimage itself.')
      .exactOptional(),
  })
  .superRefine((value, context) => {
    const given = transfers.filter((one) => value[one] !== undefined);
    const [, second] = given;
    if (second === undefined) return;
    context.addIssue({
      code: 'custom',
      path: [second],
      message: complaint(
        `${given.join(' and ')} exclude each other`,
        'Say one way in which the front-end gets the disk',
      ),
    });
  })
  .describe('Registration with OpenNebula.')
  .exactOptional();

/** Options of `targets: {opennebula: …}`. */
export const schema = z
  .strictObject({
    format: formatField(['qcow2', 'raw']),
    firmware: firmwareField('both'),
    context: z
      .enum(['fgimage', 'one-context', 'cloud-init'])
      .default('fgimage')
      .describe(
        'What reads the CONTEXT disk: a script of fgimage, the package one-context from a repository of the spec, or cloud-init.',
      ),
    ...diskFields,
    register,
  })
  .describe('An OpenNebula disk image.');
