import type {OpenRegistrar} from '../registrar.ts';
import {openFileRegistrar} from '../shared/file-registrar.ts';

/** The archive goes into a bucket with Google's own tools: what is registered is the checked file. */
export const openRegistrar: OpenRegistrar = (request) =>
  openFileRegistrar({request, folderOption: 'folder', suffix: '.tar.gz'});
