import {cloudChecks} from '../instance-checks.ts';
import {privateNetwork} from '../network.ts';
import {novaSystem} from './openstack.ts';
import {openStackDocuments} from './openstack-documents.ts';
import type {PlatformModule} from './platform.ts';

/** Nova with a config drive and no metadata service: the drive tells the address too. */
export const configDrive: PlatformModule = {
  network: privateNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    smbios: [novaSystem(instance)],
    discs: [
      {
        label: 'config-2',
        drive: 'disk',
        files: Object.fromEntries(
          Object.entries(openStackDocuments(instance, 'static')).map(([name, text]) => [
            `openstack/latest/${name}`,
            text,
          ]),
        ),
      },
    ],
  }),
};
