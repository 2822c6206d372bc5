import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {inject, vi} from 'vitest';
import type {Registrar, RemoteImage} from '../../targets/registrar.ts';
import {AwsPeer} from './aws-peer/peer.ts';
import {peerCredentials} from './aws-peer/signature.ts';
import {openEc2Registrar, progress, type SampleDisk, sampleDisk} from './ec2-rig.ts';
import {motoRoot} from './moto-root.ts';

export type Register = Readonly<Record<string, unknown>>;

export const mebibyte = 2 ** 20;
let count = 0;

/** One test's strict stand-in, and a folder; the environment leads the AWS SDK there, and nowhere else. */
export class Ec2Site implements AsyncDisposable {
  readonly peer: AwsPeer;
  readonly folder: string;

  private constructor(peer: AwsPeer, folder: string) {
    this.peer = peer;
    this.folder = folder;
  }

  static async start(): Promise<Ec2Site> {
    count += 1;
    const folder = join(inject('testRoot'), `ec2-${process.pid}-${count}`);
    mkdirSync(join(folder, 'peer'), {recursive: true});
    const peer = await AwsPeer.start(motoRoot(), join(folder, 'peer'));
    for (const [name, value] of Object.entries(peerCredentials)) vi.stubEnv(name, value);
    vi.stubEnv('AWS_ENDPOINT_URL', peer.url);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'));
    return new Ec2Site(peer, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    vi.unstubAllEnvs();
    await this.peer[Symbol.asyncDispose]();
  }

  open(
    digest: string,
    register: Register = {},
    more: {readonly signal?: AbortSignal; readonly name?: string} = {},
  ): Promise<Registrar> {
    return openEc2Registrar({digest, folder: this.folder, register, ...more});
  }

  /** Finds as src/register does, and registers what is not there. */
  async registered(disk: SampleDisk, register: Register = {}): Promise<RemoteImage> {
    const registrar = await this.open(disk.digest, register);
    const found = await registrar.find();
    if (found.length > 0) throw new Error(`There is something: ${JSON.stringify(found)}`);
    return registrar.create(disk.artifact, progress());
  }

  disk(sizeBytes = 16 * mebibyte, blocks: readonly number[] = [0, 5, 31]): SampleDisk {
    return sampleDisk(join(this.folder, 'disk'), sizeBytes, blocks);
  }

  /** How much is left in the account: AMIs, snapshots, objects, uploads. */
  left(): number {
    const {state, s3} = this.peer;
    const objects = [...state.buckets.values()].reduce((sum, {size}) => sum + size, 0);
    return state.images.size + state.snapshots.size + s3.uploads.size + objects;
  }
}
