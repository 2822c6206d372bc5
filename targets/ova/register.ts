import type {OpenRegistrar} from '../registrar.ts';
import {openFileRegistrar} from '../shared/file-registrar.ts';

/** An OVA is imported by hand: what is registered is the checked file. */
export const openRegistrar: OpenRegistrar = (request) =>
  openFileRegistrar({request, folderOption: 'folder', suffix: '.ova'});
