import {isDeepStrictEqual} from 'node:util';
import type {PackPlan, Target} from '../../targets/contract.ts';
import {type Lock, toolsStage} from '../lock/lock.ts';
import type {Image, ImageTarget, Os, Repository} from '../spec/image.ts';
import {Archives, type ArchiveUris} from './archives.ts';
import {type DigestCache, expandCopies, fingerprint} from './fingerprint.ts';
import type {Origin, StageKind, StageNode} from './graph.ts';
import {json, packPrograms, platformNotes, possibleBoots} from './image-words.ts';
import {canonicalDigest} from './key.ts';
import {type Installing, type InstallRequest, LockReader} from './locked.ts';
import {imageParts, type Part} from './parts.ts';
import {sbomInputs} from './sbom-node.ts';
import {readTools} from './template.ts';
import {vetNode} from './vet-node.ts';

export interface PlanRequest {
  readonly images: readonly Image[];
  readonly projectDir: string;
  readonly targetOfType: (type: string) => Target;
  /** Where Debian's archives are for an OS whose spec names no mirror. */
  readonly archiveOf: (os: Os) => ArchiveUris;
  /** Whether artifacts are booted. */
  readonly test: boolean;
  /** Whether trees are vetted; absent: they are not. */
  readonly vet?: boolean;
  /** Names of images to build, and of targets; empty: all. */
  readonly onlyImages: readonly string[];
  readonly onlyTargets: readonly string[];
  /** The environment that stages give their commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** `cache.salt` of the spec. */
  readonly salt?: string | undefined;
  /** Digests of the project's files from earlier runs. */
  readonly digests?: DigestCache | undefined;
  /** What every stage is to install; absent: what the archives have. */
  readonly lock?: Lock | undefined;
  /** Whether the programs that shape bytes come from the tools image in the place of the host's. */
  readonly toolsImage?: boolean;
}

export interface Plan {
  readonly nodes: readonly StageNode[];
  readonly deliveries: readonly Delivery[];
  /** Where the spec has moved on since the lock was made, for people; then the plan is none to run. */
  readonly lockProblems: readonly string[];
}

/** An artifact that the plan ends in: what `artifacts/<image>/<target>` will be. */
export interface Delivery {
  readonly image: Image;
  readonly target: string;
  readonly pack: string;
  /** The stage that tells what is inside. */
  readonly sbom: string;
  /** Whether there is a way to boot it, whether or not this plan does. */
  readonly boots: boolean;
  readonly test?: string;
  /** The stage that looks for what should not be in the tree. */
  readonly vet?: string;
}

/**
 * Raised when the code of a stage changes what it writes. Target code counts through `Target.version` and through
 * the plans it gives, which are hashed as they are.
 */
const versions: Readonly<Record<StageKind, number>> = {
  archive: 2,
  base: 2,
  repositories: 1,
  packages: 1,
  settings: 1,
  users: 1,
  files: 1,
  provision: 1,
  services: 1,
  adapt: 1,
  initramfs: 1,
  pack: 7,
  sbom: 1,
  test: 2,
  vet: 1,
};

/** Turns images into the stage graph. Reads the project's files to fingerprint them, and nothing else. */
export async function planImages(request: PlanRequest): Promise<Plan> {
  const builder = new Builder(request);
  const wanted = request.images.filter(
    ({name}) => request.onlyImages.length === 0 || request.onlyImages.includes(name),
  );
  const deliveries: Delivery[] = [];
  for (const image of wanted) {
    for (const target of image.targets) {
      if (request.onlyTargets.length > 0 && !request.onlyTargets.includes(target.name)) continue;
      deliveries.push(await builder.target(image, target));
    }
  }
  return {nodes: builder.nodes, deliveries, lockProblems: builder.lockProblems};
}

/** The customized tree of an image: what targets build on. */
interface Customized {
  /** Id of the stage that has the package lists; with a lock, the name that they had. */
  readonly archive: string;
  /** Its own and those of the images below it. */
  readonly repositories: readonly Repository[];
  readonly layers: readonly string[];
}

class Builder {
  readonly nodes: StageNode[] = [];
  readonly #byId = new Map<string, StageNode>();
  readonly #request: PlanRequest;
  readonly #customized = new Map<string, Customized>();
  /** Which mirror the stages of an OS are of, by the name that they have of it. */
  readonly #mirrors = new Map<string, string | undefined>();
  readonly #archives: Archives;
  readonly #lock: LockReader | undefined;
  readonly #tools: string | undefined;

  constructor(request: PlanRequest) {
    this.#request = request;
    this.#archives = new Archives(request.archiveOf);
    this.#lock = request.lock === undefined ? undefined : new LockReader(request.lock, this.#archives);
    this.#tools = request.toolsImage === true ? this.#toolsImage() : undefined;
  }

  get lockProblems(): readonly string[] {
    return this.#lock?.problems ?? [];
  }

  async target(image: Image, {name, type, options}: ImageTarget): Promise<Delivery> {
    const {archive, repositories, layers} = await this.#customize(image);
    const target = this.#request.targetOfType(type);
    const common = {
      image: image.name,
      target: name,
      origins: [
        {param: ['tests'], spec: ['tests']},
        {param: [], spec: ['targets', name]},
      ],
      notes: {[`targets.${name}`]: {type, ...options}, ...platformNotes(image)},
    };
    const epoch = this.#archives.epoch(image.os);
    const {initramfsPackages, initramfsFiles, ...plan} = target.adapt(image, options);
    const packPlan = target.pack(image, options);
    const of = `${image.name}/${name}`;
    const installing = (stage: string, install: readonly string[]): Installing =>
      this.#installing({stage, archive, install, remove: [], os: image.os, repositories});
    const initramfs: string[] = [];
    if (bootsItself.has(packPlan.kind)) {
      const initrdPackages = installing(`initramfs:${of}`, initramfsPackages);
      initramfs.push(
        this.#add({
          ...common,
          ...initrdPackages,
          id: `initramfs:${of}`,
          kind: 'initramfs',
          title: `initial RAM disk ${image.name} for ${name}`,
          dependsOn: [...initrdPackages.dependsOn, ...layers],
          layers,
          params: {
            plan: json({initramfsPackages, initramfsFiles}),
            target_version: target.version,
            ...epoch,
            ...initrdPackages.params,
          },
        }),
      );
    }
    const adaptPackages = installing(`adapt:${of}`, plan.packages);
    const adapt = this.#add({
      ...common,
      ...adaptPackages,
      id: `adapt:${of}`,
      kind: 'adapt',
      title: `adapt ${image.name} to ${name}`,
      dependsOn: [...adaptPackages.dependsOn, ...layers],
      layers,
      params: {plan: json(plan), target_version: target.version, ...epoch, ...adaptPackages.params},
    });
    const pack = this.#add({
      ...common,
      id: `pack:${of}`,
      kind: 'pack',
      title: `pack ${image.name} for ${name}`,
      ...this.#programs([...initramfs, ...layers, adapt], packPrograms(packPlan)),
      layers: [...layers, adapt],
      params: {plan: json(packPlan), target_version: target.version, ...epoch},
    });
    const told = sbomInputs([...layers, adapt], (id) => this.#byId.get(id));
    const sbom = this.#add({
      ...common,
      id: `sbom:${of}`,
      kind: 'sbom',
      title: `contents of ${image.name} for ${name}`,
      dependsOn: told.dependsOn,
      layers: [...layers, adapt],
      params: {...told.params, ...epoch},
    });
    const looks = {image, target: name, images: this.#request.images, repositories, sbom};
    const vetted =
      this.#request.vet !== true
        ? {}
        : {
            vet: this.#add({
              ...common,
              ...vetNode(
                {...looks, sources: this.#archives.imageSources(image.os), layers: [...layers, adapt], epoch},
                (id) => this.#byId.get(id),
              ),
            }),
          };
    const boots = possibleBoots(packPlan, target.boot(image, options));
    const made = {image, target: name, pack, sbom, boots: boots.length > 0, ...vetted};
    if (!this.#request.test || boots.length === 0) return made;
    const test = this.#add({
      ...common,
      id: `test:${of}`,
      kind: 'test',
      title: `boot ${image.name} as ${name}`,
      dependsOn: [pack],
      layers: [],
      params: {plan: json(packPlan), boots: json(boots), tests: json(image.tests)},
      tools: ['qemu-system-x86_64'],
    });
    return {...made, test};
  }

  async #customize(image: Image): Promise<Customized> {
    const known = this.#customized.get(image.name);
    if (known !== undefined) return known;
    const {os} = image;
    const template = this.#archives.template(os);
    const epoch = this.#archives.epoch(os);
    const parent = image.from === undefined ? undefined : await this.#customize(this.#imageNamed(image.from));
    const repositories = [...(parent?.repositories ?? []), ...image.repositories];
    const archive =
      image.repositories.length > 0
        ? this.#archive(os, {image: image.name, repositories})
        : (parent?.archive ?? this.#archive(os));
    const layers: string[] = parent === undefined ? [this.#base(os)] : [...parent.layers];

    const parts = imageParts(image, {
      template,
      isChild: parent !== undefined,
      platform: this.#platform(image),
      copied: await expandCopies(this.#request.projectDir, image.copy),
    });
    for (const part of parts) {
      const id = `customize:${image.name}/${part.name}`;
      const {install, remove = [], files = []} = part;
      const installing =
        install === undefined
          ? nothingToInstall
          : this.#installing({stage: id, archive, install, remove, os, repositories});
      if (part.kind === 'provision') this.#checkSources(image, part);
      layers.push(
        this.#add({
          ...installing,
          id,
          kind: part.kind,
          title: `customize ${image.name}: ${part.name}`,
          image: image.name,
          dependsOn: [...installing.dependsOn, ...layers],
          layers: [...layers],
          params: {
            ...part.params,
            ...(install === undefined ? {} : {install, remove}),
            ...epoch,
            ...installing.params,
          },
          files,
          origins: part.origins,
        }),
      );
    }
    const customized = {archive, layers, repositories};
    this.#customized.set(image.name, customized);
    return customized;
  }

  /** What a provisioner runs is to be what it was when the lock was made. */
  #checkSources({name: image}: Image, {name, files = []}: Part): void {
    for (const path of files)
      this.#lock?.source({image, path, digest: this.#fingerprint(path), place: `${name} of ${image}`});
  }

  /**
   * Packages that every target of the image adds. Below the image's own packages, they are not installed again each
   * time those change; all targets of the spec count, whichever are built.
   */
  #platform(image: Image): readonly string[] {
    const lists = image.targets.map(
      ({type, options}) => this.#request.targetOfType(type).adapt(image, options).packages,
    );
    const [first = [], ...others] = lists;
    return first.filter((name) => others.every((list) => list.includes(name))).sort();
  }

  #base(os: Os): string {
    const {variant, packages} = this.#archives.template(os);
    const name = `base:${os.distribution}-${os.release}-${os.architecture}${os.snapshot === undefined ? '' : `-${os.snapshot}`}`;
    const id = this.#idOf(name, os);
    return this.#root(os, {id, title: `base ${os.distribution} ${os.release}`, variant, packages});
  }

  /** The image whose programs shape bytes: a base like others, made by the host's mmdebstrap. */
  #toolsImage(): string {
    const {os, variant, packages} = readTools();
    return this.#root(os, {id: toolsStage, title: 'tools image', variant, packages});
  }

  /** A root by mmdebstrap. */
  #root(
    os: Os,
    root: {
      readonly id: string;
      readonly title: string;
      readonly variant: string;
      readonly packages: readonly string[];
    },
  ): string {
    const {id, title, variant, packages} = root;
    const archive = this.#archive(os);
    const installing = this.#installing({
      stage: id,
      archive,
      install: packages,
      remove: [],
      os,
      repositories: [],
    });
    return this.#add({
      ...installing,
      id,
      kind: 'base',
      title,
      ...this.#programs([...installing.dependsOn], ['mmdebstrap', 'apt-get']),
      layers: [],
      params: {
        release: os.release,
        architecture: os.architecture,
        variant,
        packages,
        image_sources: this.#archives.imageSources(os),
        ...(this.#lock === undefined ? {sources: json(this.#archives.sources(os, []))} : {}),
        ...this.#archives.epoch(os),
        ...installing.params,
      },
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os)},
    });
  }

  /**
   * The id of an OS's stage. Images that take one OS from two mirrors have two: told apart by what the spec says, so
   * that they have the same names on every host.
   */
  #idOf(name: string, {mirror}: Os): string {
    if (!this.#mirrors.has(name)) this.#mirrors.set(name, mirror);
    return this.#mirrors.get(name) === mirror
      ? name
      : `${name}-${canonicalDigest({mirror: mirror ?? null}).slice(0, 8)}`;
  }

  /** What a stage runs its programs with: the host's, or those of the tools image, on which it depends then. */
  #programs(
    dependsOn: readonly string[],
    names: readonly string[],
  ): {readonly dependsOn: readonly string[]; readonly tools: readonly string[]; readonly toolsFrom?: string} {
    const from = this.#tools;
    return from === undefined
      ? {dependsOn, tools: names}
      : {dependsOn: [...dependsOn, from], tools: [], toolsFrom: from};
  }

  #installing(request: InstallRequest): Installing {
    return this.#lock === undefined
      ? {dependsOn: [request.archive], params: {}}
      : this.#lock.installing(request);
  }

  /** Package lists of an OS, or of an image with repositories of its own; with a lock nobody asks for them. */
  #archive(os: Os, extra?: {readonly image: string; readonly repositories: readonly Repository[]}): string {
    const name = `${os.distribution}-${os.release}${os.snapshot === undefined ? '' : `-${os.snapshot}`}${extra === undefined ? '' : `/${extra.image}`}`;
    const repositories = extra?.repositories ?? [];
    const id = this.#idOf(`archive:${name}`, os);
    if (this.#lock !== undefined) return id;
    return this.#add({
      id,
      kind: 'archive',
      title: `package lists ${name}`,
      dependsOn: [],
      layers: [],
      ...(extra === undefined ? {} : {image: extra.image}),
      params: {sources: json(this.#archives.sources(os, repositories)), ...this.#archives.epoch(os)},
      files: repositories.map(({signed_by: key}) => key),
      tools: ['apt-get'],
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os), repositories: json(repositories)},
    });
  }

  #imageNamed(name: string): Image {
    const image = this.#request.images.find((candidate) => candidate.name === name);
    if (image === undefined) throw new Error(`There is no image ${name}`);
    return image;
  }

  /** Adds a node once. Two of one name that differ (an OS from two mirrors) are told apart by their parameters' digest. */
  #add(
    node: Omit<StageNode, 'version' | 'files' | 'tools' | 'environment' | 'salt' | 'origins'> & {
      files?: readonly string[];
      tools?: readonly string[];
      origins?: readonly Origin[];
    },
  ): string {
    const existing = this.#byId.get(node.id);
    if (existing !== undefined) {
      if (isDeepStrictEqual(existing.params, node.params)) return node.id;
      return this.#add({...node, id: `${node.id}-${canonicalDigest(node.params).slice(0, 8)}`});
    }
    const files = Object.fromEntries((node.files ?? []).map((path) => [path, this.#fingerprint(path)]));
    const {environment, salt} = this.#request;
    const added: StageNode = {
      ...node,
      version: versions[node.kind],
      files,
      tools: node.tools ?? [],
      origins: node.origins ?? [],
      environment,
      ...(salt === undefined ? {} : {salt}),
    };
    this.nodes.push(added);
    this.#byId.set(added.id, added);
    return node.id;
  }

  #fingerprint(path: string): string {
    return fingerprint(this.#request.projectDir, path, this.#request.digests);
  }
}

/** Artifacts that bring their own kernel and initial RAM disk. */
const bootsItself: ReadonlySet<PackPlan['kind']> = new Set<PackPlan['kind']>(['disk', 'netboot']);

const nothingToInstall: Installing = {dependsOn: [], params: {}};
