import {setTimeout as wait} from 'node:timers/promises';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import {
  type Artifact,
  type CreateProgress,
  markNames,
  type OpenRegistrar,
  type PropertyChange,
  type Registrar,
  type RegistrarRequest,
  type RemoteImage,
  type RemoteProperties,
} from '../registrar.ts';
import {kernelOutputs} from '../shared/bare-disk.ts';
import {type SiteAccess, siteAccess} from './credentials.ts';
import {
  bundlePrefix,
  digestOfKey,
  digestPrefix,
  type Emi,
  isPart,
  lineagePrefix,
  manifestKey,
  markOf,
  propertiesOf,
  remoteImage,
} from './images.ts';
import {architectureOf, isParavirtual} from './index.ts';
import {type RegisterOptions, schema} from './schema.ts';
import {Site} from './site.ts';
import {uploadBundle} from './upload.ts';

export const openRegistrar: OpenRegistrar = (request) => {
  const {register} = schema.parse(request.options);
  if (register === undefined) {
    throw new FgError('USAGE', `targets.${request.target} does not say where its image is to be registered`, {
      hint: 'Name a bucket: register: {bucket: images}.',
    });
  }
  checkName(request.name);
  return Promise.resolve(new EucalyptusRegistrar(request, register, siteAccess(register, request)));
};

/** How long the first wait is for an image to become available, and the longest. */
const pollMs = {first: 200, longest: 5000};

/** Registers images of instance-store: a bundle in a bucket, and an EMI that points to its manifest. */
class EucalyptusRegistrar implements Registrar {
  readonly endpoint: string;
  readonly properties: RemoteProperties;
  readonly hasUniqueNames = true;
  readonly #request: RegistrarRequest;
  readonly #register: RegisterOptions;
  readonly #access: SiteAccess;
  readonly #site: Site;

  constructor(request: RegistrarRequest, register: RegisterOptions, access: SiteAccess) {
    this.#request = request;
    this.#register = register;
    this.#access = access;
    this.#site = new Site(access, register.bucket, request.signal);
    this.endpoint = access.ec2Url.href;
    const tags = Object.entries(register.tags ?? {}).map(([name, value]) => [`tag:${name}`, value] as const);
    this.properties = {
      public: String(register.public ?? false),
      ...(register.description === undefined ? {} : {description: register.description}),
      ...Object.fromEntries(tags),
    };
  }

  async find(): Promise<readonly RemoteImage[]> {
    const {mark, name} = this.#request;
    const emis = await this.#site.images();
    const found = emis
      .filter((emi) => !isPart(emi))
      .map((emi) => this.#remote(emi))
      .filter((image) => image.mark?.lineage === mark.lineage || image.name === name);
    // With the image there, and ready, nobody has to look into the bucket.
    const isThere = found.some((image) => image.mark?.digest === mark.digest && image.health === 'ready');
    return isThere ? found : [...found, ...(await this.#begun(found))];
  }

  async get(id: string): Promise<RemoteImage | undefined> {
    const emi = (await this.#site.images()).find((one) => one.id === id);
    if (emi === undefined) return (await this.#begun([])).find((one) => one.id === id);
    const image = this.#remote(emi);
    const {bucket, key} = placeOf(emi.location ?? '');
    if (image.mark === undefined || digestOfKey(key, image.mark.lineage) === undefined) return image;
    const missing = await this.#site.missing({bucket, key});
    if (missing.length === 0) return image;
    const what = missing.length === 1 ? missing[0] : `${missing[0]} and ${missing.length - 1} more`;
    return {...image, health: 'broken', reason: `its bundle in ${bucket} lacks ${what}`};
  }

  async create(artifact: Artifact, progress: CreateProgress): Promise<RemoteImage> {
    const {mark, name} = this.#request;
    const {bucket, s3} = this.#site;
    if ((await s3.list(bucket, digestPrefix(mark))) === undefined) await s3.createBucket(bucket);
    const location = `${bucket}/${manifestKey(bundlePrefix(mark, 'machine'))}`;
    progress.begun(location, {location});
    const emis = await this.#site.images();
    const own = emis.find((emi) => emi.location === location);
    const id = own?.id ?? (await this.#bundled(artifact, emis, progress));
    progress.begun(id, {location});
    await this.#site.tag(id, {
      [markNames.digest]: mark.digest,
      [markNames.lineage]: mark.lineage,
      ...this.#register.tags,
    });
    const emi = await this.#ready(id, progress);
    await this.#site.change(id, this.#changes(emi));
    progress.report('checking');
    return this.#checked(id, name);
  }

  async update({id}: RemoteImage, changes: readonly PropertyChange[]): Promise<RemoteImage> {
    await this.#site.change(id, changes);
    return this.#checked(id);
  }

  async remove({id, mark, belongings}: RemoteImage): Promise<void> {
    if (mark === undefined) throw new Error(`${id} is not fgimage's`);
    const {s3} = this.#site;
    if (!id.includes('/')) await this.#site.deregister(id);
    const {bucket, key: manifest} = placeOf(belongings?.['location'] ?? '');
    // Tags can be copied by anybody; what is deleted has to be called as fgimage calls it.
    if (digestOfKey(manifest, mark.lineage) !== mark.digest) return;
    const prefix = `${bucket}/${digestPrefix(mark)}`;
    const left = (await this.#site.images()).filter(
      (emi) => emi.id !== id && emi.location?.startsWith(prefix),
    );
    // Another image of the same bundle keeps it.
    if (left.some((emi) => !isPart(emi))) return;
    for (const emi of left) await this.#site.deregister(emi.id);
    for (const {key} of (await s3.list(bucket, digestPrefix(mark))) ?? []) await s3.remove({bucket, key});
  }

  /** With the properties that the spec speaks of: tags and texts that others have added are theirs. */
  #remote(emi: Emi): RemoteImage {
    const image = remoteImage(emi, this.#request.mark.lineage);
    const managed = Object.entries(image.properties).filter(([name]) => Object.hasOwn(this.properties, name));
    return {...image, properties: Object.fromEntries(managed)};
  }

  /** Bundles of this lineage in the bucket that no image was made of. */
  async #begun(found: readonly RemoteImage[]): Promise<readonly RemoteImage[]> {
    const {lineage} = this.#request.mark;
    const begunAt = new Map<string, number | undefined>();
    for (const {key, modifiedAt} of await this.#site.objects(lineagePrefix({lineage}))) {
      const digest = digestOfKey(key, lineage);
      if (digest === undefined || found.some(({mark}) => mark?.digest === digest)) continue;
      const earliest = begunAt.get(digest) ?? modifiedAt;
      begunAt.set(digest, earliest === undefined ? undefined : Math.min(earliest, modifiedAt ?? earliest));
    }
    return [...begunAt].map(([digest, createdAt]): RemoteImage => {
      const mark = {digest, lineage};
      const location = `${this.#site.bucket}/${manifestKey(bundlePrefix(mark, 'machine'))}`;
      return {
        id: location,
        name: '',
        mark,
        health: 'pending',
        status: 'uploading',
        properties: {},
        ...(createdAt === undefined ? {} : {createdAt}),
        belongings: {location},
      };
    });
  }

  /** Uploads what is not there yet, and registers it; gives the id. */
  async #bundled(artifact: Artifact, emis: readonly Emi[], progress: CreateProgress): Promise<string> {
    const {name, options, image} = this.#request;
    const architecture = architectureOf(image);
    const {description} = this.#register;
    const described = description === undefined ? {} : {description};
    if (!isParavirtual(options)) {
      const location = await this.#upload(artifact, 'machine', progress);
      progress.report('registering');
      return this.#site.register({name, location, architecture, virtualization: 'hvm', ...described});
    }
    const kernel = this.#register.kernel ?? (await this.#part('kernel', {artifact, emis, progress}));
    const ramdisk = this.#register.ramdisk ?? (await this.#part('ramdisk', {artifact, emis, progress}));
    const location = await this.#upload(artifact, 'machine', progress);
    progress.report('registering');
    return this.#site.register({
      name,
      location,
      architecture,
      virtualization: 'paravirtual',
      kernel,
      ramdisk,
      ...described,
    });
  }

  /** The id of the image's own kernel or RAM disk, registered where it is not yet. */
  async #part(kind: 'kernel' | 'ramdisk', context: PartContext): Promise<string> {
    const {artifact, emis, progress} = context;
    const {name, mark, image} = this.#request;
    const place = `${this.#site.bucket}/${manifestKey(bundlePrefix(mark, kind))}`;
    const known = emis.find((emi) => emi.location === place);
    if (known !== undefined) return known.id;
    const location = await this.#upload(artifact, kind, progress);
    const id = await this.#site.register({
      name: `${name}-${kind}`,
      location,
      architecture: architectureOf(image),
    });
    await this.#site.tag(id, {[markNames.digest]: mark.digest, [markNames.lineage]: mark.lineage});
    return id;
  }

  async #upload(artifact: Artifact, kind: keyof typeof words, progress: CreateProgress): Promise<string> {
    const {mark, image, signal} = this.#request;
    const [kernel, ramdisk] = kernelOutputs;
    const file = {machine: artifact.file, kernel: kernel.fileName, ramdisk: ramdisk.fileName}[kind];
    return uploadBundle({
      site: this.#site,
      access: this.#access,
      mark,
      artifact,
      file,
      kind,
      architecture: architectureOf(image),
      present: await this.#site.objects(bundlePrefix(mark, kind)),
      signal,
      onProgress: (fraction) => progress.report(words[kind], fraction),
    });
  }

  async #ready(id: string, progress: CreateProgress): Promise<Emi> {
    for (let delayMs = pollMs.first; ; delayMs = Math.min(2 * delayMs, pollMs.longest)) {
      const emi = (await this.#site.images()).find((one) => one.id === id);
      if (emi === undefined) throw new RemoteError('missing', `Eucalyptus does not know ${id} any more`);
      if (emi.state === 'available') return emi;
      if (emi.state === 'failed') {
        throw new RemoteError('refused', `${id} has failed: ${emi.reason ?? 'the site does not say why'}`);
      }
      progress.report(`waiting, it is ${emi.state}`);
      await wait(delayMs, undefined, {signal: this.#request.signal});
    }
  }

  #changes(emi: Emi): readonly PropertyChange[] {
    const found = propertiesOf(emi);
    return Object.entries(this.properties).flatMap(([name, to]) => (found[name] === to ? [] : [{name, to}]));
  }

  /** Reads everything back: not every release keeps what it is told. */
  async #checked(id: string, name?: string): Promise<RemoteImage> {
    const {options, image, mark} = this.#request;
    const emi = (await this.#site.images()).find((one) => one.id === id);
    if (emi === undefined) throw new RemoteError('missing', `Eucalyptus does not know ${id} any more`);
    const type = isParavirtual(options) ? 'paravirtual' : 'hvm';
    const wrong = [
      ...(name === undefined || emi.name === name ? [] : [`name is ${emi.name}`]),
      ...(emi.architecture === architectureOf(image)
        ? []
        : [`architecture is ${emi.architecture ?? 'missing'}`]),
      ...((emi.virtualization ?? type) === type
        ? []
        : [`virtualization type is ${emi.virtualization ?? ''}`]),
      ...(markOf(emi, mark.lineage) === undefined ? ['its mark is missing'] : []),
      ...this.#changes(emi).map((change) => `${change.name} is not ${change.to ?? ''}`),
    ];
    if (wrong.length === 0) return this.#remote(emi);
    throw new RemoteError(
      'damaged',
      `Eucalyptus keeps ${id} otherwise than it was told: ${wrong.join(', ')}`,
    );
  }
}

interface PartContext {
  readonly artifact: Artifact;
  readonly emis: readonly Emi[];
  readonly progress: CreateProgress;
}

const words = {
  machine: 'bundling and uploading',
  kernel: 'uploading the kernel',
  ramdisk: 'uploading the initial RAM disk',
} as const;

function placeOf(location: string): {readonly bucket: string; readonly key: string} {
  const slash = location.indexOf('/');
  return {bucket: location.slice(0, Math.max(0, slash)), key: location.slice(slash + 1)};
}

/** The rule of Eucalyptus, which is narrower than EC2's. */
function checkName(name: string): void {
  if (/^[A-Za-z0-9()./_-]{3,120}$/.test(name)) return;
  throw new FgError('USAGE', `Eucalyptus: ${JSON.stringify(name)} cannot be the name of an image`, {
    hint: 'Use 3 to 120 letters, digits, `(`, `)`, `.`, `-`, `/` and `_`.',
  });
}
