import {isDeepStrictEqual} from 'node:util';
import type {Target} from '../../targets/contract.ts';
import type {Image, ImageTarget, JsonObject, Os, Repository} from '../spec/image.ts';
import {type DigestCache, expandCopies, fingerprint} from './fingerprint.ts';
import type {Origin, StageKind, StageNode} from './graph.ts';
import {impliedPackages, json, platformNotes, requestWord, same, unique} from './image-words.ts';
import {canonicalDigest} from './key.ts';
import {type DistributionTemplate, readTemplate, releaseOf} from './template.ts';

export interface PlanRequest {
  readonly images: readonly Image[];
  readonly projectDir: string;
  readonly targetOfType: (type: string) => Target;
  /** Where Debian's archives are for an OS whose spec names no mirror. */
  readonly archiveOf: (os: Os) => ArchiveUris;
  /** Whether artifacts are booted. */
  readonly test: boolean;
  /** Names of images to build, and of targets; empty: all. */
  readonly onlyImages: readonly string[];
  readonly onlyTargets: readonly string[];
  /** The environment that stages give their commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** `cache.salt` of the spec. */
  readonly salt?: string | undefined;
  /** Digests of the project's files from earlier runs. */
  readonly digests?: DigestCache | undefined;
}

export interface ArchiveUris {
  readonly main: string;
  /** Absent where the archive has no security suites. */
  readonly security?: string;
}

export interface Plan {
  readonly nodes: readonly StageNode[];
  readonly deliveries: readonly Delivery[];
}

/** An artifact that the plan ends in: what `artifacts/<image>/<target>` will be. */
export interface Delivery {
  readonly image: Image;
  readonly target: string;
  readonly pack: string;
  readonly test?: string;
}

/**
 * Raised when the code of a stage changes what it writes. Target code counts through `Target.version` and through
 * the plans it gives, which are hashed as they are.
 */
const versions: Readonly<Record<StageKind, number>> = {
  archive: 1,
  base: 1,
  repositories: 1,
  packages: 1,
  settings: 1,
  users: 1,
  files: 1,
  provision: 1,
  services: 1,
  adapt: 1,
  initramfs: 1,
  pack: 2,
  test: 1,
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
  return {nodes: builder.nodes, deliveries};
}

/** The customized tree of an image: what targets build on. */
interface Customized {
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
  readonly #templates = new Map<string, DistributionTemplate>();

  constructor(request: PlanRequest) {
    this.#request = request;
  }

  async target(image: Image, {name, type, options}: ImageTarget): Promise<Delivery> {
    const {archive, layers} = await this.#customize(image);
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
    const epoch = this.#epoch(image.os);
    const {initramfsPackages, initramfsFiles, ...plan} = target.adapt(image, options);
    const of = `${image.name}/${name}`;
    const initramfs = this.#add({
      ...common,
      id: `initramfs:${of}`,
      kind: 'initramfs',
      title: `initial RAM disk ${image.name} for ${name}`,
      dependsOn: [archive, ...layers],
      layers,
      params: {plan: json({initramfsPackages, initramfsFiles}), target_version: target.version, ...epoch},
    });
    const adapt = this.#add({
      ...common,
      id: `adapt:${of}`,
      kind: 'adapt',
      title: `adapt ${image.name} to ${name}`,
      dependsOn: [archive, ...layers],
      layers,
      params: {plan: json(plan), target_version: target.version, ...epoch},
    });
    const packPlan = target.pack(image, options);
    const pack = this.#add({
      ...common,
      id: `pack:${of}`,
      kind: 'pack',
      title: `pack ${image.name} for ${name}`,
      dependsOn: [initramfs, ...layers, adapt],
      layers: [...layers, adapt],
      params: {plan: json(packPlan), target_version: target.version, ...epoch},
      tools:
        packPlan.kind === 'disk'
          ? ['sfdisk', 'mke2fs', 'mkfs.vfat', 'mmd', 'mcopy', 'qemu-img']
          : ['mksquashfs'],
    });
    if (!this.#request.test) return {image, target: name, pack};
    const test = this.#add({
      ...common,
      id: `test:${of}`,
      kind: 'test',
      title: `boot ${image.name} as ${name}`,
      dependsOn: [pack],
      layers: [],
      params: {plan: json(packPlan), boots: json(target.boot(image, options)), tests: json(image.tests)},
      tools: ['qemu-system-x86_64'],
    });
    return {image, target: name, pack, test};
  }

  async #customize(image: Image): Promise<Customized> {
    const known = this.#customized.get(image.name);
    if (known !== undefined) return known;
    const template = this.#template(image.os);
    const epoch = this.#epoch(image.os);
    const parent = image.from === undefined ? undefined : await this.#customize(this.#imageNamed(image.from));
    const repositories = [...(parent?.repositories ?? []), ...image.repositories];
    const archive =
      image.repositories.length > 0
        ? this.#archive(image.os, {image: image.name, repositories})
        : (parent?.archive ?? this.#archive(image.os));
    const layers: string[] = parent === undefined ? [this.#base(image.os)] : [...parent.layers];

    const part = (
      name: string,
      kind: StageKind,
      rest: {
        params: JsonObject;
        files?: readonly string[];
        archive?: boolean;
        origins?: readonly Origin[];
      },
    ): void => {
      layers.push(
        this.#add({
          id: `customize:${image.name}/${name}`,
          kind,
          title: `customize ${image.name}: ${name}`,
          image: image.name,
          dependsOn: [...(rest.archive === true ? [archive] : []), ...layers],
          layers: [...layers],
          params: {...rest.params, ...epoch},
          files: rest.files ?? [],
          origins: rest.origins ?? [],
        }),
      );
    };
    if (image.repositories.length > 0) {
      part('repositories', 'repositories', {
        params: {repositories: json(image.repositories)},
        origins: [same('repositories')],
        files: image.repositories.map(({signed_by: key}) => key),
      });
    }
    if (parent === undefined || image.kernel.package !== undefined) {
      const kernel = image.kernel.package ?? template.kernel[image.os.architecture] ?? 'linux-image-generic';
      part('kernel', 'packages', {
        archive: true,
        params: {install: [kernel, ...template.kernel_packages], remove: []},
        origins: [{param: ['install'], spec: ['kernel', 'package']}],
      });
    }
    const platform = parent === undefined ? this.#platform(image) : [];
    if (platform.length > 0) {
      part('platform', 'packages', {
        archive: true,
        params: {install: platform, remove: []},
        origins: [{param: ['install'], spec: ['targets']}],
      });
    }
    const packages = [...image.packages.map(requestWord), ...impliedPackages(image)];
    if (packages.length + image.remove_packages.length > 0) {
      part('packages', 'packages', {
        archive: true,
        params: {install: unique(packages), remove: unique(image.remove_packages)},
        origins: [
          {param: ['install'], spec: ['packages']},
          {param: ['remove'], spec: ['remove_packages']},
        ],
      });
    }
    const {hostname, locale, timezone} = image;
    if (hostname !== undefined || locale !== undefined || timezone !== undefined) {
      part('settings', 'settings', {
        params: json({hostname, locale, timezone}) as JsonObject,
        origins: [same('hostname'), same('locale'), same('timezone')],
      });
    }
    if (image.groups.length + image.users.length > 0) {
      part('users', 'users', {
        params: {groups: json(image.groups), users: json(image.users)},
        origins: [same('groups'), same('users')],
      });
    }
    const copied = await expandCopies(this.#request.projectDir, image.copy);
    if (copied.length + image.write_files.length > 0) {
      const sources = image.write_files.map(({source}) => source).filter((source) => source !== undefined);
      part('files', 'files', {
        params: {copied: json(copied), write_files: json(image.write_files)},
        origins: [same('write_files'), {param: ['copied'], spec: ['copy']}],
        files: unique([
          ...sources,
          ...copied.flatMap(({source, link}) => (link === undefined ? [source] : [])),
        ]),
      });
    }
    for (const [index, provisioner] of image.provision.entries()) {
      const files = provisioner.file === undefined ? [] : [provisioner.file];
      part(`provision-${String(index + 1)}`, 'provision', {
        params: {provisioner: json(provisioner)},
        files,
        origins: [{param: ['provisioner'], spec: ['provision', index]}],
      });
    }
    const {enable, disable, mask} = image.services;
    if (enable.length + disable.length + mask.length > 0)
      part('services', 'services', {
        params: json(image.services) as JsonObject,
        origins: [{param: [], spec: ['services']}],
      });

    const customized = {archive, layers, repositories};
    this.#customized.set(image.name, customized);
    return customized;
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
    const template = this.#template(os);
    const id = `base:${os.distribution}-${os.release}-${os.architecture}${os.snapshot === undefined ? '' : `-${os.snapshot}`}`;
    const archive = this.#archive(os);
    return this.#add({
      id,
      kind: 'base',
      title: `base ${os.distribution} ${os.release}`,
      dependsOn: [archive],
      layers: [],
      params: {
        release: os.release,
        architecture: os.architecture,
        variant: template.variant,
        packages: template.packages,
        sources: json(this.#sources(os, [])),
        ...this.#epoch(os),
      },
      tools: ['mmdebstrap', 'apt-get'],
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os)},
    });
  }

  /** Package lists of an OS, or of an image with repositories of its own. */
  #archive(os: Os, extra?: {readonly image: string; readonly repositories: readonly Repository[]}): string {
    const name = `${os.distribution}-${os.release}${os.snapshot === undefined ? '' : `-${os.snapshot}`}${extra === undefined ? '' : `/${extra.image}`}`;
    const repositories = extra?.repositories ?? [];
    return this.#add({
      id: `archive:${name}`,
      kind: 'archive',
      title: `package lists ${name}`,
      dependsOn: [],
      layers: [],
      ...(extra === undefined ? {} : {image: extra.image}),
      params: {sources: json(this.#sources(os, repositories)), ...this.#epoch(os)},
      files: repositories.map(({signed_by: key}) => key),
      tools: ['apt-get'],
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os), repositories: json(repositories)},
    });
  }

  #sources(os: Os, repositories: readonly Repository[]): readonly JsonObject[] {
    const template = this.#template(os);
    const release = releaseOf(template, os);
    const uris = this.#request.archiveOf(os);
    const of = (uri: string, suite: string): JsonObject => ({
      uri,
      suite,
      components: template.components,
      signed_by: template.keyring,
      project_key: false,
      expired_ok: os.snapshot !== undefined,
    });
    return [
      ...release.suites.map((suite) => of(uris.main, suite)),
      ...(uris.security === undefined ? [] : [of(uris.security, release.security)]),
      ...repositories.flatMap((repository) =>
        repository.suites.map(
          (suite): JsonObject => ({
            uri: repository.uri,
            suite,
            components: repository.components,
            signed_by: repository.signed_by,
            project_key: true,
            expired_ok: false,
          }),
        ),
      ),
    ];
  }

  #epoch(os: Os): {readonly source_date_epoch: number} {
    return {source_date_epoch: releaseOf(this.#template(os), os).source_date_epoch};
  }

  #template({distribution}: Os): DistributionTemplate {
    let template = this.#templates.get(distribution);
    if (template === undefined) {
      template = readTemplate(distribution);
      this.#templates.set(distribution, template);
    }
    return template;
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
    const files = Object.fromEntries(
      (node.files ?? []).map((path) => [
        path,
        fingerprint(this.#request.projectDir, path, this.#request.digests),
      ]),
    );
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
}
