import {spawn} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {OnePeer} from '../integration/one-peer.ts';
import {alice, S3Peer} from '../unit/targets/peers/s3-peer.ts';

export interface Registering {
  /** A folder with a cache in which the packages are. */
  readonly project: string;
  readonly cli: string;
  /** The beginning of a spec, without targets. */
  readonly spec: string;
}

/**
 * Registers an image at two stand-ins of infrastructures by the command line, and once more: how many requests the
 * second one costs, for each target.
 */
export async function roundTrips({project, cli, spec}: Registering): Promise<number> {
  await using one = await OnePeer.start({safeDirs: [project]});
  await using cumulus = await S3Peer.start({kind: 'cumulus', buckets: ['Repo']});
  writeFileSync(join(project, 'one_auth'), 'alice:wonder:land\n', {mode: 0o600});
  writeFileSync(
    join(project, 'cloud.properties'),
    `vws.repository=127.0.0.1:${String(cumulus.port)}
vws.repository.canonicalid=3f1a
vws.repository.s3id=${alice.id}
vws.repository.s3key=${alice.secret}
`,
  );
  const targets = `targets:
  opennebula: {register: {path: ${project}}}
  nimbus: {register: {cloud_properties: cloud.properties}}
policy: {level: off, tests: optional}
`;
  writeFileSync(join(project, 'fgimage.yaml'), spec + targets);
  const env = {
    ...process.env,
    ONE_AUTH: join(project, 'one_auth'),
    ONE_XMLRPC: one.url,
    FGIMAGE_CATALOG: join(project, 'catalog.db'),
  };
  const register = async (): Promise<void> => {
    const words = [cli, 'register', '--no-test', '--quiet', '--cache-dir', join(project, 'cache')];
    const child = spawn('node', words, {cwd: project, env, stdio: ['ignore', 'ignore', 'inherit']});
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`fgimage register ends with ${String(code)}`);
  };
  await register();
  const before = one.calls.length + cumulus.requests.length;
  await register();
  return (one.calls.length + cumulus.requests.length - before) / 2;
}
