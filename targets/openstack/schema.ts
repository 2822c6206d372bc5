import {z} from 'zod';
import {complaint, form, line, size} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';
import {diskFields, firmwareField, formatField} from '../shared/disk-schema.ts';
import {reservedProblem} from './reserved.ts';

const propertyName = form(
  /^[^\p{Cc}\s"'`]{1,255}$/u,
  'the name of an image property',
  'Use at most 255 characters without blanks: hw_disk_bus',
);

/** `null`: what fgimage usually says under this name is left out. */
const properties = z
  .record(propertyName, z.union([line, z.number(), z.boolean(), z.null()]))
  .superRefine((values, context) => {
    for (const name of Object.keys(values)) {
      const problem = reservedProblem(name);
      if (problem === undefined) continue;
      context.addIssue({code: 'custom', path: [name], message: complaint(problem.reason, problem.mend)});
    }
  });

const project = form(
  /^[A-Za-z0-9-]{1,64}$/,
  'the id of a project',
  'Write its id, as "openstack project show -c id <name>" tells: names are not unique',
);

const register = z
  .strictObject({
    ...registerFields,
    cloud: line.describe('The cloud of clouds.yaml; else OS_CLOUD, OS_*, or the only one.').exactOptional(),
    region: line.describe('The region; else region_name of the cloud or OS_REGION_NAME.').exactOptional(),
    interface: z
      .enum(['public', 'internal', 'admin'])
      .describe('Which endpoint of the catalog; else that of the cloud, public.')
      .exactOptional(),
    method: z
      .enum(['auto', 'upload', 'import'])
      .describe('How the data come there: import by glance-direct where it is offered, or a plain upload.')
      .exactOptional(),
    visibility: z
      .enum(['private', 'shared', 'community', 'public'])
      .describe('Who sees it; private, or shared with members, where it is left out.')
      .exactOptional(),
    members: z.array(project).describe('Projects that it is shared with, by their ids.').exactOptional(),
    protected: z.boolean().describe('Whether Glance refuses to delete it.').exactOptional(),
    hidden: z.boolean().describe('Whether it is left out of lists.').exactOptional(),
    min_disk: size.describe('Least disk of a flavor for it, in whole GiB.').exactOptional(),
    min_ram: size.describe('Least memory of a flavor for it.').exactOptional(),
    properties: properties
      .describe('Image properties for Nova and others; null leaves out what fgimage usually says.')
      .exactOptional(),
  })
  .superRefine(({visibility, members}, context) => {
    if (members === undefined || visibility === undefined || visibility === 'shared') return;
    context.addIssue({
      code: 'custom',
      path: ['members'],
      message: complaint(
        `An image that is ${visibility} has no members`,
        'Write visibility: shared, or leave it out',
      ),
    });
  });

/** Options of `targets: {openstack: …}`. */
export const schema = z
  .strictObject({
    format: formatField(['qcow2', 'raw', 'vmdk', 'vhd', 'vdi']),
    firmware: firmwareField('both'),
    ...diskFields,
    network: z
      .enum(['cloud', 'dhcp'])
      .describe(
        "Who configures interfaces: the cloud's network data through cloud-init (the default), or DHCP on each.",
      )
      .exactOptional(),
    guest_agent: z
      .boolean()
      .describe('Whether qemu-guest-agent is installed and hw_qemu_guest_agent says so.')
      .exactOptional(),
    register: register.describe('The registration with Glance.').exactOptional(),
  })
  .describe('An OpenStack (Glance) disk image.');
