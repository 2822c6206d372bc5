import type {Instance} from './platform.ts';

/**
 * What Nova tells an instance, by the path under `openstack/<version>/` of its metadata service and its config drive
 * (docs.openstack.org/nova, "Metadata" and "Config drives"; api/metadata/base.py).
 */
export function openStackDocuments(
  instance: Instance,
  addressing: 'dhcp' | 'static',
): Readonly<Record<string, string>> {
  const {userData} = instance;
  return {
    'meta_data.json': JSON.stringify(metaData(instance)),
    'network_data.json': JSON.stringify(networkData(instance, addressing)),
    'vendor_data.json': '{}',
    'vendor_data2.json': '{"static": {}}',
    user_data: userData,
  };
}

/** Nova tells all of them; guests ask for the newest that they know. */
export const openStackVersions = [
  '2012-08-10',
  '2013-10-17',
  '2015-10-15',
  '2018-08-27',
  '2020-10-14',
  'latest',
];

export function openStackUuid({id}: Instance): string {
  const digits = `${id}${'0'.repeat(32)}`.slice(0, 32);
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5');
}

function metaData(instance: Instance): unknown {
  const {hostName, publicKey} = instance;
  return {
    uuid: openStackUuid(instance),
    hostname: `${hostName}.novalocal`,
    name: hostName,
    launch_index: 0,
    availability_zone: 'nova',
    project_id: '0123456789abcdef0123456789abcdef',
    public_keys: {fgimage: `${publicKey}\n`},
    keys: [{name: 'fgimage', type: 'ssh', data: `${publicKey}\n`}],
    devices: [],
  };
}

/** `static`: as Nova writes it where the subnet has no DHCP. The address is DHCP's, for images that ask there all the same. */
function networkData({macAddress, network}: Instance, addressing: 'dhcp' | 'static'): unknown {
  const {guest, mask, host, nameServer} = network;
  const common = {id: 'network0', link: 'tap0', network_id: '7ff1cd8d-2b4c-4a53-9b6a-5cf0e1a7f2d1'};
  return {
    links: [{id: 'tap0', type: 'bridge', ethernet_mac_address: macAddress, mtu: 1500, vif_id: 'tap0'}],
    networks: [
      addressing === 'dhcp'
        ? {...common, type: 'ipv4_dhcp'}
        : {
            ...common,
            type: 'ipv4',
            ip_address: guest,
            netmask: mask,
            routes: [{network: '0.0.0.0', netmask: '0.0.0.0', gateway: host}],
            services: [{type: 'dns', address: nameServer}],
          },
    ],
    services: [{type: 'dns', address: nameServer}],
  };
}
