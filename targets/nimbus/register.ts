import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {join} from 'node:path';
import {S3V2, type StoredObject} from '../../src/clients/s3-v2.ts';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {
  Artifact,
  CreateProgress,
  OpenRegistrar,
  Registrar,
  RegistrarRequest,
  RemoteImage,
} from '../registrar.ts';
import {type Repository, repositoryOf} from './cloud-properties.ts';
import {imageKey, imagesOf, listingPrefix, markKey, marksOf} from './marks.ts';
import {type RegisterOptions, schema} from './schema.ts';

export const openRegistrar: OpenRegistrar = (request) => {
  const {register = {}, compress} = schema.parse(request.options);
  const repository = repositoryOf(register, request);
  return Promise.resolve(
    new NimbusRegistrar({request, register, repository, isCompressed: compress === 'gzip'}),
  );
};

interface NimbusContext {
  readonly request: RegistrarRequest;
  readonly register: RegisterOptions;
  readonly repository: Repository;
  readonly isCompressed: boolean;
}

/** Puts images into Cumulus, the repository of Nimbus, where its name is all that an image has. */
class NimbusRegistrar implements Registrar {
  readonly endpoint: string;
  readonly properties = {};
  readonly hasUniqueNames = true;
  readonly #context: NimbusContext;
  readonly #s3: S3V2;

  constructor(context: NimbusContext) {
    const {request, repository} = context;
    const {endpoint, bucket, insecure, accessKeyId, secretAccessKey} = repository;
    checkName(request.name);
    this.endpoint = `${endpoint.origin}/${bucket}/${listingPrefix(repository)}`;
    this.#context = context;
    this.#s3 = new S3V2({
      name: `Cumulus at ${endpoint.host}`,
      endpoint,
      accessKeyId,
      secretAccessKey,
      insecure,
      signal: request.signal,
    });
  }

  async find(): Promise<readonly RemoteImage[]> {
    const {request, repository} = this.#context;
    const images = imagesOf(repository, await this.#list());
    return images
      .map((image) => (image.name === this.#storedName() ? {...image, name: request.name} : image))
      .filter(({mark, name}) => mark?.lineage === request.mark.lineage || name === request.name);
  }

  async get(id: string): Promise<RemoteImage | undefined> {
    const images = imagesOf(this.#context.repository, await this.#list());
    const found = images.filter((image) => image.id === id);
    return found.find(({health}) => health === 'ready') ?? found[0];
  }

  async create(artifact: Artifact, progress: CreateProgress): Promise<RemoteImage> {
    const {request, register, repository} = this.#context;
    const {bucket} = repository;
    const name = this.#storedName();
    const path = join(artifact.folder, artifact.file);
    const sizeBytes = artifact.files.find((file) => file.path === artifact.file)?.sizeBytes ?? 0;
    progress.report('reading the image');
    const md5 = await md5Of(path, request.signal);
    const key = imageKey(repository, name);
    const mark = markKey(repository, name, {...request.mark, md5});
    const text = Buffer.from(`${JSON.stringify({...request.mark, name, md5}, undefined, 2)}\n`);
    const access: Readonly<Record<string, string>> =
      register.common === true ? {'x-amz-acl': 'public-read'} : {};
    await this.#s3.put({bucket, key: mark, body: text, md5: createHash('md5').update(text).digest('hex')});
    progress.begun(key, {mark});
    progress.report('uploading', 0);
    const onProgress = (sentBytes: number): void =>
      progress.report('uploading', sentBytes / Math.max(1, sizeBytes));
    const received = await this.#s3.put({
      bucket,
      key,
      md5,
      headers: access,
      body: {path, sizeBytes, onProgress},
    });
    if (received !== undefined && received !== md5) throw this.#altered(name, received, md5);
    progress.report('checking');
    return this.#checked({name, md5, sizeBytes});
  }

  update(remote: RemoteImage): Promise<RemoteImage> {
    // There is nothing but the name and the bytes.
    return Promise.resolve(remote);
  }

  async remove({id, belongings}: RemoteImage): Promise<void> {
    const {bucket} = this.#context.repository;
    const objects = await this.#list();
    const marks = marksOf(this.#context.repository, objects).filter(
      (mark) => imageKey(this.#context.repository, mark.name) === id,
    );
    const own = marks.find(({key}) => key === belongings?.['mark']);
    const object = objects.find(({key}) => key === id);
    // The name may have been given to another image of ours, or of somebody else, since.
    const isOwn = object === undefined || own === undefined || object.md5 === own.md5;
    const isOthers = marks.some((mark) => mark !== own && mark.md5 === object?.md5);
    if (isOwn && !isOthers) await this.#s3.remove({bucket, key: id});
    if (own !== undefined) await this.#s3.remove({bucket, key: own.key});
  }

  async #list(): Promise<readonly StoredObject[]> {
    const {bucket, endpoint} = this.#context.repository;
    const objects = await this.#s3.list(bucket, listingPrefix(this.#context.repository));
    if (objects !== undefined) return objects;
    throw new FgError('REMOTE_REFUSED', `Cumulus at ${endpoint.host} has no bucket ${bucket}`, {
      hint: 'Ask the administrator of the site for vws.repository.s3bucket.',
    });
  }

  /** Nodes unpack what is called so. */
  #storedName(): string {
    const {request, isCompressed} = this.#context;
    return isCompressed && !request.name.endsWith('.gz') ? `${request.name}.gz` : request.name;
  }

  /** Reads back what is there, and clears away marks of what had the name before. */
  async #checked({
    name,
    md5,
    sizeBytes,
  }: {
    readonly name: string;
    readonly md5: string;
    readonly sizeBytes: number;
  }) {
    const {request, repository} = this.#context;
    const objects = await this.#list();
    const object = objects.find(({key}) => key === imageKey(repository, name));
    if (object?.md5 !== md5) throw this.#altered(name, object?.md5 ?? 'missing', md5);
    if (object.sizeBytes !== sizeBytes) {
      throw new RemoteError(
        'damaged',
        `Cumulus has ${object.sizeBytes} bytes of ${name}, and was sent ${sizeBytes}`,
      );
    }
    const wanted = markKey(repository, name, {...request.mark, md5});
    for (const {key} of marksOf(repository, objects).filter(
      (mark) => mark.name === name && mark.key !== wanted,
    )) {
      await this.#s3.remove({bucket: repository.bucket, key});
    }
    const image = imagesOf(repository, objects).find(
      ({belongings, health}) => belongings?.['mark'] === wanted && health === 'ready',
    );
    if (image === undefined)
      throw new RemoteError('damaged', `Cumulus does not have the mark of ${name} any more`);
    return {...image, name: request.name};
  }

  #altered(name: string, found: string, wanted: string): RemoteError {
    const {host} = this.#context.repository.endpoint;
    return new RemoteError(
      'damaged',
      `Cumulus at ${host} has other bytes of ${name}: MD5 ${found}, not ${wanted}`,
    );
  }
}

/** workspace-control's own rule for file names, without what a shell or a URL would take for something else. */
function checkName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return;
  throw new FgError('USAGE', `Nimbus: ${JSON.stringify(name)} cannot be the name of an image`, {
    hint: 'Use letters, digits, `.`, `_` and `-`, at most 128, a letter or digit first.',
  });
}

async function md5Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path, {
    highWaterMark: 2 ** 20,
    signal,
  }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
  }
  return hash.digest('hex');
}
