import {cloudChecks} from '../instance-checks.ts';
import {privateNetwork} from '../network.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {xmlText} from './xml.ts';

/**
 * What runs OVAs: the OVF environment on a CD-ROM (DMTF DSP0243, "ISO 9660 transport"), VMware's network card and SCSI
 * adapter. The other transport, `com.vmware.guestInfo`, asks for VMware's own back door with contents.
 */
export const vmware: PlatformModule = {
  network: privateNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    discs: [{label: 'OVF ENV', drive: 'cd-rom', files: {'ovf-env.xml': ovfEnvironment(instance)}}],
    networkCard: 'vmxnet3',
    scsiAdapter: 'pvscsi',
  }),
};

/** The properties that cloud-init reads (its "OVF" data source). */
export function ovfEnvironment(instance: Instance): string {
  const {id, hostName, publicKey, userData} = instance;
  const properties = {
    'instance-id': `fgimage-${id}`,
    hostname: hostName,
    'public-keys': publicKey,
    'user-data': Buffer.from(userData, 'utf8').toString('base64'),
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="fgimage">
  <PlatformSection>
    <Kind>VMware ESXi</Kind>
    <Version>8.0.0</Version>
    <Vendor>VMware, Inc.</Vendor>
    <Locale>en</Locale>
  </PlatformSection>
  <PropertySection>
${Object.entries(properties)
  .map(([key, value]) => `    <Property oe:key="${key}" oe:value="${xmlText(value)}"/>`)
  .join('\n')}
  </PropertySection>
</Environment>
`;
}
