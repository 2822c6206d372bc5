import {z} from 'zod';
import {diskFields, firmwareField} from '../shared/disk-schema.ts';
import {fileRegister} from '../shared/file-schema.ts';

/** Options of `targets: {gcp: …}`. */
export const schema = z
  .strictObject({
    firmware: firmwareField('both'),
    ...diskFields,
    register: fileRegister,
  })
  .describe('A disk.raw in an archive, for Google Compute Engine.');
