import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Artifact, OpenRegistrar, RegistrarRequest} from '../registrar.ts';
import {openFileRegistrar} from '../shared/file-registrar.ts';
import {domainXml} from './domain.ts';
import {domainFile, domainOf} from './options.ts';

/**
 * A volume in the folder of a storage pool of type `dir`: libvirt knows it after `virsh pool-refresh`. Beside it lies the
 * domain, named after the registration and with the volume's path.
 */
export const openRegistrar: OpenRegistrar = (request) =>
  openFileRegistrar({
    request,
    folderOption: 'pool',
    suffix: `.${domainOf(request.image, request.options).format}`,
    texts: async (artifact, disk) => [{suffix: '.xml', text: await domainText(request, artifact, disk)}],
  });

async function domainText(
  {image, options, name}: RegistrarRequest,
  artifact: Artifact,
  disk: string,
): Promise<string> {
  const packed = await readFile(join(artifact.folder, domainFile), 'utf8');
  const uuid = /<uuid>([0-9a-f-]{36})<\/uuid>/.exec(packed)?.[1];
  if (uuid === undefined) throw new Error(`${domainFile} of the artifact holds no UUID`);
  return domainXml({...domainOf(image, options), name, uuid, disk});
}
