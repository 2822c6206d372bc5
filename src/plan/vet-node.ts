import type {Image, JsonObject, Repository} from '../spec/image.ts';
import type {StageKind, StageNode} from './graph.ts';
import {json} from './image-words.ts';

/** What the spec says about what may be in a tree: the parameters of the `vet` stage that its checks compare with. */
export interface Expected {
  /** Of the image and of those that it is built on, each name once. */
  readonly users: readonly ExpectedUser[];
  readonly repositories: readonly Pick<Repository, 'name' | 'uri' | 'suites'>[];
  /** The distribution's own archive. */
  readonly archive: {
    readonly suites: readonly string[];
    readonly security_suite: string;
    /** Absent: what the distribution itself proposes. */
    readonly main?: string;
    readonly security?: string;
  };
  /** For each layer of the tree, the lowest first, whether it holds what packages brought and nothing else. */
  readonly packaged: readonly boolean[];
}

export interface ExpectedUser {
  readonly name: string;
  readonly keys: readonly string[];
  /** As shadow(5) has it: locked with `!` in front. */
  readonly password?: string;
}

export interface VetInputs {
  readonly image: Image;
  readonly target: string;
  /** All of the spec, among them those that the image is built on. */
  readonly images: readonly Image[];
  readonly repositories: readonly Repository[];
  /** `Archives.imageSources` */
  readonly sources: JsonObject;
  readonly layers: readonly string[];
  /** The stage that has found out what the archives know of the packages. */
  readonly sbom: string;
  readonly epoch: JsonObject;
}

/** The look at the tree that `pack` packs. */
export function vetNode(
  {image, target, images, repositories, sources, layers, sbom, epoch}: VetInputs,
  node: (id: string) => StageNode | undefined,
): Pick<StageNode, 'id' | 'kind' | 'title' | 'dependsOn' | 'layers' | 'params' | 'origins'> {
  const {suites, security_suite, main, security} = sources;
  const expected = {
    users: expectedUsers(lineOf(image, images)),
    repositories: repositories.map(({name, uri, suites: own}) => ({name, uri, suites: own})),
    archive: {suites, security_suite, main, security},
    packaged: layers.map((id) => packaging.has(node(id)?.kind ?? 'files')),
  };
  return {
    id: `vet:${image.name}/${target}`,
    kind: 'vet',
    title: `vet ${image.name} for ${target}`,
    dependsOn: [sbom, ...layers],
    layers,
    params: {expected: json(expected), ...epoch},
    origins: [
      {param: ['expected', 'users'], spec: ['users']},
      {param: ['expected', 'repositories'], spec: ['repositories']},
      {param: ['expected', 'archive'], spec: ['os']},
    ],
  };
}

/** An image and those that it is built on, itself first. */
function lineOf(image: Image, images: readonly Image[]): readonly Image[] {
  const parent = images.find(({name}) => name === image.from);
  return parent === undefined ? [image] : [image, ...lineOf(parent, images)];
}

/** Kinds of stages in whose layers a file has the mode that its package gave it. */
const packaging: ReadonlySet<StageKind> = new Set<StageKind>(['base', 'packages', 'adapt', 'initramfs']);

/** A user that several images name has the keys of all, and the password that was set last. */
function expectedUsers(images: readonly Image[]): readonly ExpectedUser[] {
  const users = new Map<string, ExpectedUser>();
  for (const {name, ssh_authorized_keys: keys, hashed_passwd: hash, lock_passwd: lock} of images
    .toReversed()
    .flatMap((image) => image.users)) {
    const before = users.get(name);
    const set = hash ?? before?.password?.replace(/^!/, '');
    users.set(name, {
      name,
      keys: [...new Set([...(before?.keys ?? []), ...keys])],
      ...(set === undefined ? {} : {password: lock ? `!${set}` : set}),
    });
  }
  return [...users.values()];
}
