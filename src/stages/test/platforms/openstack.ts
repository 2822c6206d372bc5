import {cloudChecks} from '../instance-checks.ts';
import {type AnswerTo, notFound, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import {ec2Tree} from './ec2-tree.ts';
import {openStackDocuments, openStackUuid, openStackVersions} from './openstack-documents.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {lookUp} from './tree.ts';

/** Nova with its metadata service: the OpenStack documents, and those of EC2 that it serves beside them. */
export const openStack: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    smbios: [novaSystem(instance)],
    services: [{address: metadataAddress, port: 80, answer: openStackService(instance)}],
  }),
};

/** What Nova writes into the guest's SMBIOS tables, and cloud-init's ds-identify looks for. */
export function novaSystem(instance: Instance) {
  return {
    type: 1,
    values: {
      manufacturer: 'OpenStack Foundation',
      product: 'OpenStack Nova',
      version: '31.0.0',
      uuid: openStackUuid(instance),
      family: 'Virtual Machine',
    },
  } as const;
}

const ec2Versions = ['1.0', '2007-01-19', '2009-04-04', 'latest'];

export function openStackService(instance: Instance): AnswerTo {
  const documents = openStackDocuments(instance, 'dhcp');
  const tree = ec2Tree(instance);
  return ({method, path}) => {
    if (method !== 'GET' && method !== 'HEAD') return {status: 405};
    const [, first = '', version = '', ...rest] = path.split('/');
    if (first === '') return textAnswer(ec2Versions.join('\n'));
    if (first !== 'openstack') return ec2Versions.includes(first) ? lookUp(tree, path) : notFound;
    if (version === '') return textAnswer(openStackVersions.join('\n'));
    if (!openStackVersions.includes(version)) return notFound;
    const name = rest.join('/');
    if (name === '') return textAnswer(Object.keys(documents).join('\n'));
    const document = Object.hasOwn(documents, name) ? documents[name] : undefined;
    if (document === undefined) return notFound;
    return {status: 200, type: name.endsWith('.json') ? 'application/json' : 'text/plain', body: document};
  };
}
