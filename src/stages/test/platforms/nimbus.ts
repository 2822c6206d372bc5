import {cloudChecks} from '../instance-checks.ts';
import {type AnswerTo, notFound, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import {ec2Tree} from './ec2-tree.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {lookUp} from './tree.ts';

/**
 * Nimbus writes root's key and the address of its metadata server into the disk before it starts it
 * (nimbusproject/nimbus, control/libexec/workspace-control/mount-alter.sh; ctx-agent); that server has EC2's documents.
 * User data are a script here: no cloud-init is there to take them in another form.
 */
export const nimbus: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'root',
  checks: cloudChecks,
  surroundings: (instance) => ({
    injected: [
      {path: '/root/.ssh/authorized_keys', content: `${instance.publicKey}\n`, mode: 0o600},
      {
        path: '/var/nimbus-metadata-server-url',
        content: `http://${metadataAddress}:${metadataPort}\n`,
        mode: 0o644,
      },
    ],
    services: [{address: metadataAddress, port: metadataPort, answer: nimbusService(instance)}],
    dhcpHostName: instance.hostName,
  }),
};

const metadataPort = 8080;
const versions = ['2007-01-19', '2007-03-01', 'latest'];

function nimbusService(instance: Instance): AnswerTo {
  const tree = ec2Tree({...instance, userData: instance.startScript});
  return ({method, path}) => {
    if (method !== 'GET') return {status: 405};
    const [, version = ''] = path.split('/');
    if (version === '') return textAnswer(versions.join('\n'));
    return versions.includes(version) ? lookUp(tree, path) : notFound;
  };
}
