import {cloudChecks} from '../instance-checks.ts';
import {type Answer, type AnswerTo, jsonAnswer, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import type {Instance, PlatformModule} from './platform.ts';

/**
 * Google Compute Engine's metadata server (cloud.google.com/compute/docs, "About VM metadata"). Google's name server
 * knows `metadata.google.internal`; QEMU's does not, so the image must: by /etc/hosts, as in Google's own images.
 */
export const gcp: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    smbios: [
      {
        type: 1,
        values: {
          manufacturer: 'Google',
          product: 'Google Compute Engine',
          serial: `GoogleCloud-${instance.id.toUpperCase()}`,
        },
      },
      {type: 2, values: {manufacturer: 'Google', product: 'Google Compute Engine'}},
    ],
    services: [{address: metadataAddress, port: 80, answer: gcpMetadata(instance)}],
  }),
};

interface Folder {
  readonly [name: string]: Value;
}
type Value = string | number | readonly Folder[] | Folder;

const root = '/computeMetadata/v1';
const project = '123456789012';
const flavor = {'metadata-flavor': 'Google', server: 'Metadata Server for VM'};

/** Without `Metadata-Flavor: Google`, or through a proxy, nothing is told. */
export function gcpMetadata(instance: Instance): AnswerTo {
  const document: Folder = {instance: instanceFolder(instance), project: projectFolder};
  return ({method, path, query, headers}) => {
    const told = (answer: Answer): Answer => ({...answer, headers: flavor});
    if (path === '/') return told(textAnswer('computeMetadata/\n'));
    if (!`${path}/`.startsWith(`${root}/`)) return told({status: 404});
    if (headers['metadata-flavor'] !== 'Google' || headers['x-forwarded-for'] !== undefined)
      return told({status: 403, body: 'Missing Metadata-Flavor:Google header.\n'});
    // Host keys and the like, which a guest may publish.
    if (method === 'PUT') return told({status: path.includes('/guest-attributes/') ? 200 : 405});
    const value = find(document, path.slice(root.length));
    if (value === undefined) return told({status: 404});
    if (typeof value !== 'object') return told(textAnswer(String(value)));
    return told(
      query.get('recursive')?.toLowerCase() === 'true' ? jsonAnswer(value) : textAnswer(listing(value)),
    );
  };
}

function find(folder: Folder, path: string): Value | undefined {
  let node: Value | undefined = folder;
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (typeof node !== 'object') return undefined;
    node = new Map<string, Value>(Object.entries(node)).get(name);
  }
  return node;
}

function listing(value: Folder | readonly Folder[]): string {
  const entries = Object.entries<Value>(Object.assign({}, value));
  return entries.map(([name, node]) => `${name}${typeof node === 'object' ? '/' : ''}\n`).join('');
}

const projectFolder: Folder = {
  attributes: {},
  'numeric-project-id': project,
  'project-id': 'fgimage',
};

/** Keys are `<user>:<key>`; cloud-init takes those of its default user, and of `cloudinit` for whoever that is. */
function instanceFolder(instance: Instance): Folder {
  const {id, hostName, publicKey, macAddress, network, userData} = instance;
  return {
    attributes: {'enable-oslogin': 'FALSE', 'ssh-keys': `cloudinit:${publicKey}`, 'user-data': userData},
    hostname: `${hostName}.europe-west3-a.c.fgimage.internal`,
    id: BigInt(`0x${id.slice(0, 15)}`).toString(),
    'machine-type': `projects/${project}/machineTypes/n2-standard-2`,
    name: hostName,
    'network-interfaces': [
      {ip: network.guest, mac: macAddress, gateway: network.host, subnetmask: network.mask, mtu: '1460'},
    ],
    zone: `projects/${project}/zones/europe-west3-a`,
  };
}
