import {dirname} from 'node:path';
import {catalogFile} from '../../src/catalog/database.ts';
import {type Ebs, openEbs, openS3, type S3} from '../../src/clients/aws/clients.ts';
import type {AwsAccess} from '../../src/clients/aws/config.ts';
import type {RegistrarRequest, RemoteProperties} from '../registrar.ts';
import {copyProperties} from './copies.ts';
import {type Wanted, wantedProperties} from './properties.ts';
import {openRegion, type Region} from './region.ts';
import type {Ec2Options, Ec2RegisterOptions} from './schema.ts';

/** One registration: what is wanted, and the services that it needs, each opened when it is first used. */
export interface Session {
  readonly request: RegistrarRequest;
  readonly register: Ec2RegisterOptions;
  readonly wanted: Wanted;
  readonly properties: RemoteProperties;
  /** Where the AMI is registered; the others hold copies. */
  readonly home: Region;
  region(name: string): Promise<Region>;
  ebs(): Promise<Ebs>;
  s3(): Promise<S3>;
  /** Where notes of unfinished uploads are kept. */
  readonly notesFolder: string;
}

export async function openSession(
  request: RegistrarRequest,
  options: Ec2Options,
  register: Ec2RegisterOptions,
): Promise<Session> {
  const {signal, env} = request;
  const {region: named, profile, endpoints = {}} = register;
  const access = (region: string | undefined, endpoint: string | undefined): AwsAccess => ({
    region,
    profile,
    endpoint,
  });
  const home = await openRegion(access(named, endpoints.ec2), signal);
  const regions = new Map([[home.name, Promise.resolve(home)]]);
  const wanted = {image: request.image, options, register};
  let ebs: Promise<Ebs> | undefined;
  let s3: Promise<S3> | undefined;
  return {
    request,
    register,
    wanted,
    properties: {...wantedProperties(wanted), ...copyProperties(register)},
    home,
    region: (name) => {
      const known = regions.get(name) ?? openRegion(access(name, endpoints.ec2), signal);
      regions.set(name, known);
      return known;
    },
    ebs: () => (ebs ??= openEbs(access(home.name, endpoints.ebs), 'Registration in EC2')),
    s3: () =>
      (s3 ??= openS3(
        {...access(home.name, endpoints.s3), ...(endpoints.s3 === undefined ? {} : {forcePathStyle: true})},
        'Registration in EC2 by ImportSnapshot',
      )),
    notesFolder: dirname(catalogFile(env)),
  };
}
