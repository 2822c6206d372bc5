import type {Instance} from './platform.ts';
import {listed, type MetadataTree} from './tree.ts';

/** What EC2 tells any instance (docs.aws.amazon.com/AWSEC2, "Instance metadata categories"). */
export function ec2Tree(instance: Instance): MetadataTree {
  return {'meta-data': ec2MetaData(instance), 'user-data': instance.userData};
}

export const ec2Place = {
  region: 'eu-central-1',
  zone: 'eu-central-1a',
  image: 'ami-0fedcba9876543210',
} as const;

export function ec2InstanceId({id}: Instance): string {
  return `i-${id}`;
}

/** Processors of the sixth generation with a g are of arm64 (AWSEC2, "Instance type naming conventions"). */
export function ec2InstanceType({architecture}: Pick<Instance, 'architecture'>): string {
  return architecture === 'arm64' ? 'm6g.large' : 'm5.large';
}

export function ec2HostName({hostName}: Instance): string {
  return `${hostName}.${ec2Place.region}.compute.internal`;
}

/** Without what not every service that is like EC2 has. */
export function ec2MetaData(instance: Instance): MetadataTree {
  const {publicKey, macAddress, network} = instance;
  const hostName = ec2HostName(instance);
  return {
    'ami-id': ec2Place.image,
    'ami-launch-index': '0',
    'ami-manifest-path': '(unknown)',
    'block-device-mapping': {ami: '/dev/xvda', root: '/dev/xvda'},
    hostname: hostName,
    'instance-action': 'none',
    'instance-id': ec2InstanceId(instance),
    'instance-type': ec2InstanceType(instance),
    'local-hostname': hostName,
    'local-ipv4': network.guest,
    mac: macAddress,
    placement: {'availability-zone': ec2Place.zone},
    'public-keys': {[listed]: '0=fgimage', '0': {'openssh-key': `${publicKey}\n`}},
    'reservation-id': `r-${instance.id}`,
    'security-groups': 'default',
  };
}
