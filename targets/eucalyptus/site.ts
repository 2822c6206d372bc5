import {Ec2Query} from '../../src/clients/ec2-query.ts';
import {type ObjectPlace, S3V2, type StoredObject} from '../../src/clients/s3-v2.ts';
import {ServiceRefusal} from '../../src/clients/service-refusal.ts';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {PropertyChange} from '../registrar.ts';
import type {SiteAccess} from './credentials.ts';
import {type Emi, readImages} from './images.ts';

/** The version that euca2ools 3.4 speaks. */
const apiVersion = '2015-10-01';

/** Parts of 10 MiB take some 140 bytes each. */
const manifestLimitBytes = 4 * 2 ** 20;

export interface RegisterRequest {
  readonly name: string;
  /** `bucket/key` of the manifest. */
  readonly location: string;
  readonly architecture: string;
  readonly virtualization?: 'hvm' | 'paravirtual';
  readonly kernel?: string;
  readonly ramdisk?: string;
  readonly description?: string;
}

/** A site of Eucalyptus in the calls that a registration needs. */
export class Site {
  readonly s3: S3V2;
  readonly bucket: string;
  readonly #ec2: Ec2Query;
  readonly #name: string;

  constructor(access: SiteAccess, bucket: string, signal: AbortSignal) {
    const {ec2Url, s3Url, accessKeyId, secretAccessKey} = access;
    this.#name = `Eucalyptus at ${ec2Url.host}`;
    this.bucket = bucket;
    this.#ec2 = new Ec2Query(
      {name: this.#name, endpoint: ec2Url, accessKeyId, secretAccessKey, signal},
      apiVersion,
    );
    this.s3 = new S3V2({
      name: `The object store at ${s3Url.host}`,
      endpoint: s3Url,
      accessKeyId,
      secretAccessKey,
      signal,
    });
  }

  /** All images of the account that are not deregistered. */
  async images(): Promise<readonly Emi[]> {
    return readImages(await this.#ec2.call('DescribeImages', {'Owner.1': 'self'}));
  }

  /** The objects whose key begins so; none where there is no bucket yet. */
  async objects(prefix: string): Promise<readonly StoredObject[]> {
    return (await this.s3.list(this.bucket, prefix)) ?? [];
  }

  /** Which of a bundle's objects are missing, by what its manifest says. */
  async missing({bucket, key}: ObjectPlace): Promise<readonly string[]> {
    const manifest = await this.s3.get({bucket, key}, manifestLimitBytes);
    if (manifest === undefined) return [key];
    const names = [...manifest.toString('utf8').matchAll(/<filename>([^<]+)<\/filename>/g)].map(
      ([, name = '']) => name,
    );
    const objects = (await this.s3.list(bucket, key.replace(/manifest\.xml$/, ''))) ?? [];
    return names.filter((name) => !objects.some((object) => object.key === name));
  }

  /**
   * Gives the id of the new image. It is no call that may be made twice: where the answer was lost, the image is looked
   * for.
   */
  async register(request: RegisterRequest): Promise<string> {
    const {name, location, architecture, virtualization, kernel, ramdisk, description} = request;
    try {
      const answer = await this.#ec2.call('RegisterImage', {
        Name: name,
        ImageLocation: location,
        Architecture: architecture,
        ...(virtualization === undefined ? {} : {VirtualizationType: virtualization}),
        ...(kernel === undefined ? {} : {KernelId: kernel}),
        ...(ramdisk === undefined ? {} : {RamdiskId: ramdisk}),
        ...(description === undefined ? {} : {Description: description}),
      });
      const [id] = answer['imageId'] ?? [];
      if (typeof id === 'string' && id !== '') return id;
      throw new RemoteError('damaged', `${this.#name} registered an image and did not say its id`);
    } catch (error) {
      const isUnclear = error instanceof RemoteError && error.kind === 'unreachable';
      const isTaken = error instanceof ServiceRefusal && error.code === 'InvalidAMIName.Duplicate';
      if (!isUnclear && !isTaken) throw registrationError(error);
      const found = (await this.images()).find((one) => one.location === location && one.name === name);
      if (found !== undefined) return found.id;
      if (!isTaken) throw registrationError(error);
      throw new FgError('NAME_TAKEN', error.message, {
        cause: error,
        hint: 'Give the image another name with `register.name`, or deregister the one that has it.',
      });
    }
  }

  async change(id: string, changes: readonly PropertyChange[]): Promise<void> {
    const tags = changes.flatMap(({name, to}) =>
      name.startsWith('tag:') ? [{name: name.slice(4), to}] : [],
    );
    const set = Object.fromEntries(
      tags.flatMap(({name, to}) => (to === undefined ? [] : [[name, to] as const])),
    );
    const gone = tags.flatMap(({name, to}) => (to === undefined ? [name] : []));
    for (const {name, to = ''} of changes) {
      if (name === 'description') await this.#modify(id, {'Description.Value': to});
      if (name === 'public') {
        const verb = to === 'true' ? 'Add' : 'Remove';
        await this.#modify(id, {[`LaunchPermission.${verb}.1.Group`]: 'all'});
      }
    }
    await this.tag(id, set);
    if (gone.length > 0) {
      const names = gone.map((name, index) => [`Tag.${index + 1}.Key`, name] as const);
      await this.#ec2.call('DeleteTags', {'ResourceId.1': id, ...Object.fromEntries(names)});
    }
  }

  async tag(id: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const parameters = Object.entries(tags).flatMap(([name, value], index) => [
      [`Tag.${index + 1}.Key`, name] as const,
      [`Tag.${index + 1}.Value`, value] as const,
    ]);
    if (parameters.length === 0) return;
    await this.#ec2.call('CreateTags', {'ResourceId.1': id, ...Object.fromEntries(parameters)});
  }

  /** Gone is fine. */
  async deregister(id: string): Promise<void> {
    try {
      await this.#ec2.call('DeregisterImage', {ImageId: id});
    } catch (error) {
      if (!(error instanceof ServiceRefusal) || !/^InvalidAMIID\./.test(error.code)) throw error;
    }
  }

  async #modify(id: string, parameters: Readonly<Record<string, string>>): Promise<void> {
    await this.#ec2.call('ModifyImageAttribute', {ImageId: id, ...parameters});
  }
}

/** What a site means by an error that a user would not guess. */
function registrationError(error: unknown): unknown {
  if (!(error instanceof ServiceRefusal)) return error;
  const hint = registrationHints.find(([pattern]) => pattern.test(error.message))?.[1];
  return hint === undefined ? error : new FgError('REMOTE_REFUSED', error.message, {cause: error, hint});
}

const registrationHints: readonly (readonly [RegExp, string])[] = [
  [
    /Only administrators can register/,
    'Name a kernel and a RAM disk of the site with `register.kernel` and `register.ramdisk`.',
  ],
  [
    /Manifest is not accessible/,
    'Check EC2_USER_ID: the manifest has to be of the account that registers it.',
  ],
  [
    /Failed to read manifest/,
    'The site may not read the bucket: it wants the ACL aws-exec-read, which fgimage sets.',
  ],
  [
    /exceeds the configured maximum/,
    'Make the disk smaller with `size`, or ask the administrator for images.max_image_size_gb.',
  ],
];
