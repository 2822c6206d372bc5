import {randomBytes} from 'node:crypto';
import {cloudChecks} from '../instance-checks.ts';
import {type Answer, type AnswerTo, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import {ec2InstanceId, ec2InstanceType, ec2MetaData, ec2Place} from './ec2-tree.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {lookUp, type MetadataTree} from './tree.ts';

/**
 * EC2 with IMDSv2 required, as RegisterImage with `imds-support v2.0` asks for
 * (docs.aws.amazon.com/AWSEC2, "Use the Instance Metadata Service"): whoever has no token gets 401. The hop limit of the
 * token's answer is not played; QEMU's network has no hops.
 */
export const ec2: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    smbios: ec2Smbios(instance),
    services: [{address: metadataAddress, port: 80, answer: imdsV2(instance)}],
  }),
};

/** The UUID begins with "ec2", and the serial number is the same (AWSEC2, "Identify EC2 instances"). */
function ec2Smbios(instance: Instance) {
  const {id} = instance;
  const uuid = `ec2${`${id}${'0'.repeat(32)}`.slice(0, 29)}`.replace(
    /^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/,
    '$1-$2-4$3-8$4-$5',
  );
  return [
    {type: 0, values: {vendor: 'Amazon EC2', version: '1.0'}},
    {type: 1, values: {manufacturer: 'Amazon EC2', product: ec2InstanceType(instance), serial: uuid, uuid}},
    {type: 3, values: {manufacturer: 'Amazon EC2', asset: 'Amazon EC2'}},
  ] as const;
}

const tokenPath = '/latest/api/token';
const lifetimeHeader = 'x-aws-ec2-metadata-token-ttl-seconds';
const longestLifetimeSeconds = 21_600;
const versions = ['1.0', '2009-04-04', '2016-09-02', '2018-09-24', '2021-03-23', 'latest'];

export function imdsV2(instance: Instance, now: () => number = Date.now): AnswerTo {
  const tokens = new Map<string, number>();
  const tree = nitroTree(instance);
  return ({method, path, headers}) => {
    if (path === tokenPath) return giveToken({method, headers}, {tokens, now});
    const token = headers['x-aws-ec2-metadata-token'];
    const validUntil = typeof token === 'string' ? tokens.get(token) : undefined;
    if (validUntil === undefined || validUntil <= now()) return {status: 401, body: 'Unauthorized\n'};
    if (method !== 'GET' && method !== 'HEAD') return {status: 405};
    const [, version = ''] = path.split('/');
    if (version === '') return textAnswer(versions.join('\n'));
    return versions.includes(version) ? lookUp(tree, path) : {status: 404, body: 'Not Found\n'};
  };
}

interface Tokens {
  readonly tokens: Map<string, number>;
  readonly now: () => number;
}

function giveToken(
  {method, headers}: Pick<Parameters<AnswerTo>[0], 'method' | 'headers'>,
  {tokens, now}: Tokens,
): Answer {
  if (method !== 'PUT') return {status: 405};
  // What has come through a proxy did not ask for itself.
  if (headers['x-forwarded-for'] !== undefined) return {status: 403};
  const wanted = headers[lifetimeHeader];
  const seconds = typeof wanted === 'string' && /^\d{1,5}$/.test(wanted) ? Number(wanted) : 0;
  if (seconds < 1 || seconds > longestLifetimeSeconds) return {status: 400};
  const token = randomBytes(40).toString('base64');
  tokens.set(token, now() + seconds * 1000);
  return {...textAnswer(token), headers: {[lifetimeHeader]: String(seconds)}};
}

/** With what later versions added, and cloud-init reads on EC2 itself. */
function nitroTree(instance: Instance): MetadataTree {
  const {macAddress, network, userData} = instance;
  const card = {
    'device-number': '0',
    'interface-id': `eni-${instance.id}`,
    'local-ipv4s': network.guest,
    mac: macAddress,
    'owner-id': '123456789012',
    'subnet-id': `subnet-${instance.id}`,
    'subnet-ipv4-cidr-block': network.range,
    'vpc-id': `vpc-${instance.id}`,
    'vpc-ipv4-cidr-block': network.range,
  };
  return {
    dynamic: {'instance-identity': {document: identityDocument(instance)}},
    'meta-data': {
      ...ec2MetaData(instance),
      network: {interfaces: {macs: {[macAddress]: card}}},
      placement: {'availability-zone': ec2Place.zone, region: ec2Place.region},
      services: {domain: 'amazonaws.com', partition: 'aws'},
    },
    'user-data': userData,
  };
}

/** Without its signatures, which only Amazon can make. */
function identityDocument(instance: Instance): string {
  const document = {
    accountId: '123456789012',
    // Amazon's words.
    architecture: instance.architecture === 'arm64' ? 'arm64' : 'x86_64',
    availabilityZone: ec2Place.zone,
    imageId: ec2Place.image,
    instanceId: ec2InstanceId(instance),
    instanceType: ec2InstanceType(instance),
    pendingTime: '2026-01-01T00:00:00Z',
    privateIp: instance.network.guest,
    region: ec2Place.region,
    version: '2017-09-30',
  };
  return JSON.stringify(document, undefined, 2);
}
