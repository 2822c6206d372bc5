import {isTag, readRepository} from '../../src/clients/oci/reference.ts';
import {indexType, Registry} from '../../src/clients/oci/registry.ts';
import {FgError} from '../../src/errors.ts';
import {withRetries} from '../../src/http/retry.ts';
import {formatSize} from '../../src/ui/format.ts';
import type {
  Artifact,
  CreateProgress,
  OpenRegistrar,
  Registrar,
  RegistrarRequest,
  RemoteImage,
} from '../registrar.ts';
import {byHundredths} from '../shared/progress.ts';
import {blobPath, readLayout} from './layout.ts';
import {digestTag, isDigestTag, type MarkedIndex, markedIndex, readMarkedIndex} from './marked-index.ts';

/** Pushes an image to a registry. */
export const openRegistrar: OpenRegistrar = (request) => Promise.resolve(openOciRegistrar(request));

interface OciOptions {
  readonly repository: string;
  readonly tags?: readonly string[];
  readonly plain_http?: boolean;
  readonly keep_last?: number;
  readonly replace?: boolean;
}

function openOciRegistrar(request: RegistrarRequest): Registrar {
  const {name, target, options, env, signal} = request;
  if (typeof options['register'] !== 'object') {
    throw new FgError('USAGE', `The target ${target} names no registry`, {
      hint: `Write targets.${target}.register.repository, e.g. registry.example.org/team/${request.image.name}`,
    });
  }
  const {
    repository,
    tags = [],
    plain_http: plain = false,
    ...rest
  } = options['register'] as unknown as OciOptions;
  const read = readRepository(repository, {plain});
  if (!read.ok) {
    throw new FgError('USAGE', `Cannot make sense of targets.${target}.register.repository: ${read.error}`, {
      hint: `Write host and name without a tag: registry.example.org/team/${request.image.name}`,
    });
  }
  if (!isTag(name)) {
    throw new FgError('USAGE', `"${name}" cannot be a tag`, {
      hint: `Use letters, digits, _, . and - in targets.${target}.register.name, at most 128`,
    });
  }
  const registry = new Registry(read.value, {env, signal});
  const pushing: Pushing = {
    request,
    registry,
    repository,
    tags: [...new Set([name, ...tags])].sort(),
    knowsOthers: rest.keep_last !== undefined || rest.replace === true,
  };
  return {
    endpoint: repository,
    properties: {tags: pushing.tags.join(' ')},
    hasUniqueNames: true,
    find: () => find(pushing),
    get: (id) => get(pushing, id),
    create: (artifact, progress) => push(pushing, artifact, progress),
    update: ({id}) => retag(pushing, id),
    remove: (remote) => remove(pushing, remote),
  };
}

interface Pushing {
  readonly request: RegistrarRequest;
  readonly registry: Registry;
  readonly repository: string;
  /** The name, and the tags that move, in order. */
  readonly tags: readonly string[];
  /** Whether older images of the lineage matter. */
  readonly knowsOthers: boolean;
}

/** What a tag stands for. */
interface Tagged {
  readonly tag: string;
  readonly digest: string;
  /** Absent: somebody else's. */
  readonly index?: MarkedIndex;
}

async function lookUp({registry, request: {signal}}: Pushing, tag: string): Promise<Tagged | undefined> {
  const found = await withRetries(() => registry.manifest(tag), {signal});
  if (found === undefined) return undefined;
  const index = readMarkedIndex(found);
  return {tag, digest: found.digest, ...(index !== undefined && {index})};
}

async function lookUpAll(pushing: Pushing, tags: readonly string[]): Promise<readonly Tagged[]> {
  const found: Tagged[] = [];
  // A few at a time: a registry may have many tags, and limits for who asks too much.
  for (let first = 0; first < tags.length; first += 8) {
    const some = await Promise.all(tags.slice(first, first + 8).map((tag) => lookUp(pushing, tag)));
    found.push(...some.filter((one) => one !== undefined));
  }
  return found;
}

/** One request for each tag, at the same time; one more where the image is not where it should be, or older ones matter. */
async function find(pushing: Pushing): Promise<readonly RemoteImage[]> {
  const {request, registry, tags, knowsOthers} = pushing;
  const {mark, name, signal} = request;
  const [known, all] = await Promise.all([
    lookUpAll(pushing, tags),
    knowsOthers ? withRetries(() => registry.tags(), {signal}) : [],
  ]);
  const isWanted = (one: Tagged): boolean => isOf(one, mark) && one.index?.mark.digest === mark.digest;
  const more = [
    ...all.filter((tag) => isDigestTag(tag)),
    ...(known.some(isWanted) || knowsOthers ? [] : [digestTag(mark)]),
  ];
  const found = [...known, ...(await lookUpAll(pushing, more))];
  const images = new Map<string, RemoteImage>();
  for (const one of found) {
    if (one.index !== undefined && isOf(one, mark))
      images.set(one.digest, remoteImage(one.index, pushing, known));
    else if (one.tag === name) images.set(one.digest, foreignImage(one));
  }
  return [...images.values()];
}

function isOf({index}: Tagged, {lineage}: {readonly lineage: string}): boolean {
  return index?.mark.lineage === lineage;
}

/** An older image has lost its name to this one as soon as this one is pushed: what stays is the tag of its digest. */
function remoteImage(index: MarkedIndex, {request}: Pushing, known: readonly Tagged[]): RemoteImage {
  const isWanted = index.mark.digest === request.mark.digest;
  const tags = known.filter(({digest}) => digest === index.digest).map(({tag}) => tag);
  return {
    id: index.digest,
    name: isWanted ? request.name : digestTag(index.mark),
    mark: index.mark,
    health: 'ready',
    status: 'pushed',
    properties: {tags: tags.sort().join(' ')},
    createdAt: index.registeredAt,
    belongings: {manifest: index.image.digest},
  };
}

function foreignImage({tag, digest, index}: Tagged): RemoteImage {
  const mark = index === undefined ? {} : {mark: index.mark};
  return {id: digest, name: tag, ...mark, health: 'ready', status: 'pushed', properties: {}};
}

/** Here the image itself is looked at too: that a registry has an index does not say that it has what is in it. */
async function get(pushing: Pushing, id: string): Promise<RemoteImage | undefined> {
  const {registry, tags, request} = pushing;
  const {signal} = request;
  const [found, known] = await Promise.all([
    withRetries(() => registry.manifest(id), {signal}),
    lookUpAll(pushing, tags),
  ]);
  const index = found === undefined ? undefined : readMarkedIndex(found);
  if (index === undefined) return undefined;
  const remote = remoteImage(index, pushing, known);
  const manifest = await withRetries(() => registry.manifest(index.image.digest), {signal});
  if (manifest !== undefined) return remote;
  const reason = `The manifest ${index.image.digest} is gone`;
  return {...remote, health: 'broken', status: 'incomplete', reason};
}

async function push(pushing: Pushing, artifact: Artifact, progress: CreateProgress): Promise<RemoteImage> {
  const {request, registry, tags} = pushing;
  const {image, mark, signal} = request;
  await refuseForeign(pushing);
  const {manifest, manifestBytes, blobs} = await readLayout(artifact.folder);
  const allBytes = blobs.reduce((sum, {size}) => sum + size, 0);
  const tell = byHundredths(progress);
  let doneBytes = 0;
  for (const {digest, size} of blobs) {
    const message = `Pushing ${digest.slice(0, 19)} (${formatSize(size)})`;
    const report = (bytes: number): void => tell(message, (doneBytes + bytes) / Math.max(allBytes, 1));
    report(0);
    const path = blobPath(artifact.folder, digest);
    await withRetries(
      async () => {
        if (!(await registry.hasBlob(digest)))
          await registry.putBlobFile({digest, path, sizeBytes: size, onProgress: report});
      },
      {signal},
    );
    doneBytes += size;
  }
  await withRetries(() => registry.putManifest(manifest.digest, manifestBytes, manifest.mediaType), {signal});
  const index = markedIndex(manifest, {image, mark, registeredAt: Date.now()});
  progress.begun(index.digest, {manifest: manifest.digest});
  for (const tag of [digestTag(mark), ...tags]) {
    progress.report(`Tagging ${tag}`, 1);
    await withRetries(() => registry.putManifest(tag, index.bytes, indexType), {signal});
  }
  return await checked(pushing, index.digest);
}

/** Makes the tags what they are to be. */
async function retag(pushing: Pushing, id: string): Promise<RemoteImage> {
  const {request, registry, tags, repository} = pushing;
  const {signal} = request;
  await refuseForeign(pushing);
  const index = await withRetries(() => registry.manifest(id), {signal});
  if (index === undefined)
    throw new FgError('REMOTE_REFUSED', `${repository} has no ${id} any more`, {hint: 'Register again'});
  const known = await lookUpAll(pushing, tags);
  for (const tag of tags) {
    if (known.some((one) => one.tag === tag && one.digest === id)) continue;
    await withRetries(() => registry.putManifest(tag, index.bytes, indexType), {signal});
  }
  return await checked(pushing, id);
}

/** A tag of somebody else's is not moved. */
async function refuseForeign(pushing: Pushing): Promise<void> {
  const {request, tags, repository} = pushing;
  for (const {tag, index, digest} of await lookUpAll(pushing, tags)) {
    if (index?.mark.lineage === request.mark.lineage) continue;
    const whose = index === undefined ? 'that fgimage did not push' : `of ${index.mark.lineage}`;
    throw new FgError(
      'NAME_TAKEN',
      `${repository}:${tag} is an image already ${whose} (${digest.slice(0, 19)})`,
      {
        hint: `Choose another tag in targets.${request.target}.register, or delete that one`,
      },
    );
  }
}

async function checked(pushing: Pushing, id: string): Promise<RemoteImage> {
  const {repository, tags} = pushing;
  const remote = await get(pushing, id);
  const reason =
    remote === undefined
      ? `${id} is not there`
      : (remote.reason ??
        (remote.properties['tags'] === tags.join(' ') ? undefined : 'A tag was moved meanwhile'));
  if (remote !== undefined && reason === undefined) return remote;
  throw new FgError('REMOTE_REFUSED', `${repository} does not have what was pushed: ${reason ?? ''}`, {
    hint: 'Register again; if it stays so, ask who runs the registry',
  });
}

/** The index, with its tags, and the image in it unless another index of ours has the same. Layers are the registry's to collect. */
async function remove(pushing: Pushing, {id, belongings}: RemoteImage): Promise<void> {
  const {registry, request} = pushing;
  const {signal} = request;
  const manifest = belongings?.['manifest'];
  await withRetries(() => registry.deleteManifest(id), {signal});
  if (manifest === undefined) return;
  const tags = (await withRetries(() => registry.tags(), {signal})).filter((tag) => isDigestTag(tag));
  const others = await lookUpAll(pushing, tags);
  const isShared = others.some(({digest, index}) => digest !== id && index?.image.digest === manifest);
  if (!isShared) await withRetries(() => registry.deleteManifest(manifest), {signal});
}
