import {cloudChecks} from '../instance-checks.ts';
import {type Answer, type AnswerTo, jsonAnswer, notFound, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import {openStackUuid as uuidOf} from './openstack-documents.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {xmlText} from './xml.ts';

/**
 * Azure as far as cloud-init's data source needs it (cloud-init, "Azure"; learn.microsoft.com, "Azure Instance Metadata
 * Service"): ovf-env.xml on a DVD, the metadata service, and the wire server that is told when the guest is ready.
 * QEMU has no Hyper-V bus: disk and card are others than Azure's.
 */
export const azure: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    smbios: [
      {
        type: 1,
        values: {manufacturer: 'Microsoft Corporation', product: 'Virtual Machine', uuid: uuidOf(instance)},
      },
      {type: 3, values: {manufacturer: 'Microsoft Corporation', asset: '7783-7084-3265-9085-8269-3286-77'}},
    ],
    discs: [
      {label: 'rd_rdfe_stable.fgimage', drive: 'cd-rom', files: {'ovf-env.xml': azureEnvironment(instance)}},
    ],
    services: [
      {address: metadataAddress, port: 80, answer: azureMetadata(instance)},
      {address: wireServerAddress, port: 80, answer: wireServer(instance)},
    ],
  }),
};

const wireServerAddress = '168.63.129.16';

/** Whom the portal would ask for; cloud-init renames its default user so. */
const userName = 'fguser';

function azureEnvironment({hostName, publicKey, userData}: Instance): string {
  const customData = Buffer.from(userData, 'utf8').toString('base64');
  return `<?xml version="1.0" encoding="utf-8"?>
<ns0:Environment xmlns:ns0="http://schemas.dmtf.org/ovf/environment/1" xmlns:ns1="http://schemas.microsoft.com/windowsazure" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <ns1:ProvisioningSection>
    <ns1:Version>1.0</ns1:Version>
    <ns1:LinuxProvisioningConfigurationSet>
      <ns1:ConfigurationSetType>LinuxProvisioningConfiguration</ns1:ConfigurationSetType>
      <ns1:HostName>${xmlText(hostName)}</ns1:HostName>
      <ns1:UserName>${userName}</ns1:UserName>
      <ns1:DisableSshPasswordAuthentication>true</ns1:DisableSshPasswordAuthentication>
      <ns1:SSH>
        <ns1:PublicKeys>
          <ns1:PublicKey>
            <ns1:Path>/home/${userName}/.ssh/authorized_keys</ns1:Path>
            <ns1:Value>${xmlText(publicKey)}</ns1:Value>
          </ns1:PublicKey>
        </ns1:PublicKeys>
      </ns1:SSH>
      <ns1:CustomData>${customData}</ns1:CustomData>
    </ns1:LinuxProvisioningConfigurationSet>
  </ns1:ProvisioningSection>
  <ns1:PlatformSettingsSection>
    <ns1:Version>1.0</ns1:Version>
    <ns1:PlatformSettings>
      <ns1:ProvisionGuestAgent>true</ns1:ProvisionGuestAgent>
    </ns1:PlatformSettings>
  </ns1:PlatformSettingsSection>
</ns0:Environment>
`;
}

const oldestVersion = '2017-04-02';

/** Every request must say `Metadata: true` and name a version, as the service demands it. */
export function azureMetadata(instance: Instance): AnswerTo {
  const document = {compute: compute(instance), network: network(instance)};
  return ({method, path, query, headers}) => {
    if (method !== 'GET') return {status: 405};
    const version = query.get('api-version') ?? '';
    if (headers['metadata'] !== 'true' || !/^\d{4}-\d\d-\d\d$/.test(version) || version < oldestVersion)
      return badRequest;
    if (path === '/metadata/instance') return jsonAnswer(document);
    if (path === '/metadata/instance/network') return jsonAnswer(document.network);
    return notFound;
  };
}

const badRequest: Answer = {
  status: 400,
  type: 'application/json',
  body: '{"error": "Bad request. Required metadata header or api-version not specified"}',
};

function compute(instance: Instance): unknown {
  const {hostName, publicKey, userData} = instance;
  return {
    azEnvironment: 'AzurePublicCloud',
    location: 'westeurope',
    name: hostName,
    osProfile: {adminUsername: userName, computerName: hostName, disablePasswordAuthentication: 'true'},
    osType: 'Linux',
    provider: 'Microsoft.Compute',
    publicKeys: [{keyData: publicKey, path: `/home/${userName}/.ssh/authorized_keys`}],
    resourceGroupName: 'fgimage',
    subscriptionId: '00000000-0000-4000-8000-000000000000',
    userData: Buffer.from(userData, 'utf8').toString('base64'),
    vmId: uuidOf(instance),
    vmSize: 'Standard_D2s_v5',
  };
}

function network({macAddress, network: {guest, host, prefix}}: Instance): unknown {
  return {
    interface: [
      {
        ipv4: {
          ipAddress: [{privateIpAddress: guest, publicIpAddress: ''}],
          subnet: [{address: host, prefix: String(prefix)}],
        },
        ipv6: {ipAddress: []},
        macAddress: macAddress.replaceAll(':', '').toUpperCase(),
      },
    ],
  };
}

/** The goal state without certificates; what the guest reports is taken. */
function wireServer(instance: Instance): AnswerTo {
  const id = uuidOf(instance);
  return ({method, path, query}) => {
    if (path === '/' && query.get('comp') === 'versions') return {...textAnswer(versions), type: 'text/xml'};
    if (path.replace(/\/$/, '') !== '/machine') return notFound;
    if (method === 'POST') return {status: 200};
    if (query.get('comp') !== 'goalstate') return notFound;
    return {...textAnswer(goalState(id)), type: 'text/xml'};
  };
}

const versions = `<?xml version="1.0" encoding="utf-8"?>
<Versions><Preferred><Version>2015-04-05</Version></Preferred><Supported><Version>2012-11-30</Version><Version>2015-04-05</Version></Supported></Versions>
`;

function goalState(id: string): string {
  return `<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Version>2012-11-30</Version>
  <Incarnation>1</Incarnation>
  <Machine><ExpectedState>Started</ExpectedState></Machine>
  <Container>
    <ContainerId>${id}</ContainerId>
    <RoleInstanceList>
      <RoleInstance>
        <InstanceId>${id}.fgimage</InstanceId>
        <State>Started</State>
      </RoleInstance>
    </RoleInstanceList>
  </Container>
</GoalState>
`;
}
