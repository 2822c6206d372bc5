import type {OpenRegistrar} from '../registrar.ts';
import {openFileRegistrar, registerOptions} from '../shared/file-registrar.ts';
import {type BoxCatalog, checkCatalog, writeCatalog} from './catalog.ts';

/** A box in a folder, and where it is asked for the catalog that Vagrant looks for new versions in. */
export const openRegistrar: OpenRegistrar = (request) => {
  const catalog = registerOptions(request.options)['catalog'] as BoxCatalog | undefined;
  return openFileRegistrar({
    request,
    folderOption: 'folder',
    suffix: '.box',
    ...(catalog !== undefined && {
      check: (folder) => checkCatalog(folder, catalog, request.mark),
      changed: (folder) => writeCatalog(folder, catalog, request.mark),
    }),
  });
};
