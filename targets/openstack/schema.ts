import {z} from 'zod';
import {diskFields, firmwareField, formatField} from '../shared/disk-schema.ts';

/** Options of `targets: {openstack: …}`. */
export const schema = z
  .strictObject({
    format: formatField(['qcow2', 'raw', 'vmdk', 'vhd', 'vdi']),
    firmware: firmwareField('both'),
    ...diskFields,
  })
  .describe('An OpenStack (Glance) disk image.');
