import type {OpenRegistrar} from '../registrar.ts';
import {openFileRegistrar} from '../shared/file-registrar.ts';

/** A VHD goes up as a page blob with Azure's own tools: what is registered is the checked file. */
export const openRegistrar: OpenRegistrar = (request) =>
  openFileRegistrar({request, folderOption: 'folder', suffix: '.vhd'});
