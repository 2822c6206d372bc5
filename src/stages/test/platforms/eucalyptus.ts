import {cloudChecks} from '../instance-checks.ts';
import {type AnswerTo, notFound, textAnswer} from '../metadata.ts';
import {cloudNetwork, metadataAddress} from '../network.ts';
import {ec2Tree} from './ec2-tree.ts';
import type {Instance, PlatformModule} from './platform.ts';
import {lookUp} from './tree.ts';

/**
 * Eucalyptus: EC2's documents without tokens, on a machine that does not say whose it is. cloud-init takes it for EC2
 * only where the image says so (`datasource: {Ec2: {strict_id: false}}`).
 */
export const eucalyptus: PlatformModule = {
  network: cloudNetwork,
  keyOwner: 'user',
  checks: cloudChecks,
  surroundings: (instance) => ({
    services: [{address: metadataAddress, port: 80, answer: imdsV1(instance)}],
  }),
};

const versions = ['1.0', '2007-01-19', '2008-02-01', '2008-09-01', '2009-04-04', 'latest'];

export function imdsV1(instance: Instance): AnswerTo {
  const tree = ec2Tree(instance);
  return ({method, path}) => {
    if (method !== 'GET' && method !== 'HEAD') return {status: 405};
    const [, version = ''] = path.split('/');
    if (version === '') return textAnswer(versions.join('\n'));
    return versions.includes(version) ? lookUp(tree, path) : notFound;
  };
}
