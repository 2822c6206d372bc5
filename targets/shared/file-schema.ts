import {z} from 'zod';
import {form, permissions} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';

/** A folder of this machine, not of the image. */
export const hostFolder = form(
  /^[^\p{Cc}]+$/u,
  'a folder',
  'Write an absolute path, one that begins with ~/, or one below the folder of the spec',
);

/** Options under `register` of every target whose artifact becomes a checked file in a folder. */
export const checkedFileFields = {
  ...registerFields,
  permissions: permissions.describe('Mode of the file there, "0644" where it is left out.').exactOptional(),
};

export const fileRegisterFields = {
  ...checkedFileFields,
  folder: hostFolder
    .describe('Folder that the file is put into; it must be there. Relative to the project.')
    .exactOptional(),
};

export const fileRegister = z
  .strictObject(fileRegisterFields)
  .describe('Puts the file into a folder, checked, with a sidecar that says whose it is.')
  .exactOptional();
