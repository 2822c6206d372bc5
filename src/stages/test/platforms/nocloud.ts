import {cloudChecks} from '../instance-checks.ts';
import {privateNetwork} from '../network.ts';
import type {PlatformModule} from './platform.ts';

/** A seed disc, as libvirt and other hypervisors without a service give it (cloud-init, "NoCloud"). */
export const noCloud: PlatformModule = {
  network: privateNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    discs: [
      {
        label: 'CIDATA',
        drive: 'disk',
        files: {
          'user-data': instance.userData,
          'meta-data': JSON.stringify({
            'instance-id': `fgimage-${instance.id}`,
            'local-hostname': instance.hostName,
            'public-keys': [instance.publicKey],
          }),
        },
      },
    ],
  }),
};
