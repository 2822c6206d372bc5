import {FgError} from '../errors.ts';
import {type Lock, toolsStage} from '../lock/lock.ts';
import {noRpmLock} from '../lock/rpm.ts';
import type {Os, Repository} from '../spec/image.ts';
import {aptOf, readTools} from '../spec/template.ts';
import {Archives, type ArchiveUris, keyFiles} from './archives.ts';
import type {GraphBuilder} from './graph-builder.ts';
import {json} from './image-words.ts';
import {canonicalDigest} from './key.ts';
import {type Installing, type InstallRequest, LockReader} from './locked.ts';

export interface RootsOptions {
  /** Where the archives are for an OS whose spec names no mirror. */
  readonly archiveOf: (os: Os) => ArchiveUris;
  /** What every stage is to install; absent: what the archives have. */
  readonly lock?: Lock | undefined;
  /** Whether the programs that shape bytes come from the tools image in the place of the host's. */
  readonly toolsImage?: boolean;
}

/** What a stage runs its programs with: the host's, or those of the tools image, on which it depends then. */
export interface Programs {
  readonly dependsOn: readonly string[];
  readonly tools: readonly string[];
  readonly toolsFrom?: string;
}

/** The stages that images stand on: package lists, bases, roots of tools. */
export class Roots {
  readonly archives: Archives;
  readonly lock: LockReader | undefined;
  readonly #graph: GraphBuilder;
  /** Which mirror and key the stages of an OS are of, by the name that they have of it. */
  readonly #mirrors = new Map<string, string | undefined>();
  readonly #tools: string | undefined;

  constructor(graph: GraphBuilder, {archiveOf, lock, toolsImage}: RootsOptions) {
    this.#graph = graph;
    this.archives = new Archives(archiveOf);
    this.lock = lock === undefined ? undefined : new LockReader(lock, this.archives);
    this.#tools = toolsImage === true ? this.#toolsImage() : undefined;
  }

  /** Package lists of an OS, or of an image with repositories of its own; with a lock nobody asks for them. */
  archive(os: Os, extra?: {readonly image: string; readonly repositories: readonly Repository[]}): string {
    const architecture = os.architecture === 'amd64' ? '' : `-${os.architecture}`;
    const name = `${os.distribution}-${os.release}${architecture}${os.snapshot === undefined ? '' : `-${os.snapshot}`}${extra === undefined ? '' : `/${extra.image}`}`;
    const repositories = extra?.repositories ?? [];
    const id = this.#idOf(`archive:${name}`, os);
    if (this.lock !== undefined) return id;
    return this.#graph.add({
      id,
      kind: 'archive',
      title: `package lists ${name}`,
      dependsOn: [],
      layers: [],
      ...(extra === undefined ? {} : {image: extra.image}),
      params: {
        sources: this.archives.listed(os, repositories),
        architecture: os.architecture,
        ...this.archives.epoch(os),
      },
      files: [...keyFiles(os), ...repositories.map(({signed_by: key}) => key)],
      tools: this.#isRpm(os) ? ['gpgv'] : ['apt-get'],
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os), repositories: json(repositories)},
    });
  }

  base(os: Os): string {
    const template = this.archives.template(os);
    const {packages} = template;
    const name = `base:${os.distribution}-${os.release}-${os.architecture}${os.snapshot === undefined ? '' : `-${os.snapshot}`}`;
    const id = this.#idOf(name, os);
    const title = `base ${os.distribution} ${os.release}`;
    if (template.package_manager === 'dnf') return this.#rpmRoot(os, {id, title, packages});
    const {variant} = aptOf(template);
    return this.#root(os, {id, title, variant, packages});
  }

  /** What a stage installs: asked of its archive, or as the lock has it. Without an archive there is nothing to install. */
  installing({
    archive,
    ...rest
  }: Omit<InstallRequest, 'archive'> & {readonly archive: string | undefined}): Installing {
    if (archive === undefined) return this.#withoutArchive(rest);
    const request = {...rest, archive};
    if (this.#isRpm(request.os)) return this.#installingRpms(request);
    return this.lock === undefined
      ? {dependsOn: [request.archive], params: {}}
      : this.lock.installing(request);
  }

  /** The image's own apk asks for packages itself; of others there are none. */
  #withoutArchive({install, remove, os}: Omit<InstallRequest, 'archive'>): Installing {
    const [first] = [...install, ...remove];
    if (first === undefined) return {dependsOn: [], params: {}};
    const {title, package_manager: manager} = this.archives.template(os);
    // A spec with packages was refused; what a step of `provision` needs is known only now.
    if (manager !== 'apk')
      throw new FgError('SPEC_INVALID', `fgimage installs no packages of ${title}, and ${first} is wanted`, {
        hint: 'Import a root that has it',
      });
    const repositories = this.archives.apkRepositories(os);
    return {dependsOn: [], params: {network: true, ...(repositories.length === 0 ? {} : {repositories})}};
  }

  programs(dependsOn: readonly string[], names: readonly string[]): Programs {
    const from = this.#tools;
    return from === undefined
      ? {dependsOn, tools: names}
      : {dependsOn: [...dependsOn, from], tools: [], toolsFrom: from};
  }

  /** A root whose programs a provisioner runs, beside the image: `templates/debian/tools-<name>.json`. */
  toolsFor(name: string): string {
    const {os, variant, packages} = readTools(name);
    return this.#root(os, {id: `${toolsStage}:${name}`, title: `tools image ${name}`, variant, packages});
  }

  /** The image whose programs shape bytes: a base like others, made by the host's mmdebstrap. */
  #toolsImage(): string {
    const {os, variant, packages} = readTools();
    return this.#root(os, {id: toolsStage, title: 'tools image', variant, packages});
  }

  #isRpm(os: Os): boolean {
    return this.archives.template(os).package_manager === 'dnf';
  }

  #installingRpms({archive, os}: InstallRequest): Installing {
    if (this.lock !== undefined) throw noRpmLock(os);
    return {dependsOn: [archive], params: {}, tools: ['dnf', 'rpm']};
  }

  /** A root by the host's dnf and rpm. */
  #rpmRoot(
    os: Os,
    {
      id,
      title,
      packages,
    }: {readonly id: string; readonly title: string; readonly packages: readonly string[]},
  ): string {
    const archive = this.archive(os);
    const request = {stage: id, archive, install: packages, remove: [], os, repositories: []};
    return this.#graph.add({
      ...this.#installingRpms(request),
      id,
      kind: 'base',
      title,
      layers: [],
      params: {packages, ...this.archives.epoch(os)},
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os)},
    });
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
    const archive = this.archive(os);
    const installing = this.installing({
      stage: id,
      archive,
      install: packages,
      remove: [],
      os,
      repositories: [],
    });
    return this.#graph.add({
      ...installing,
      id,
      kind: 'base',
      title,
      ...this.programs([...installing.dependsOn], ['mmdebstrap', 'apt-get']),
      layers: [],
      params: {
        release: os.release,
        architecture: os.architecture,
        variant,
        packages,
        image_sources: this.archives.imageSources(os),
        ...(this.lock === undefined ? {sources: json(this.archives.sources(os, []))} : {}),
        ...this.archives.epoch(os),
        ...installing.params,
      },
      files: keyFiles(os),
      origins: [{param: [], spec: ['os']}],
      notes: {os: json(os)},
    });
  }

  /**
   * The id of an OS's stage. Images that take one OS from two mirrors, or verify it with two keys, have two: told apart
   * by what the spec says, so that they have the same names on every host.
   */
  #idOf(name: string, {mirror, signed_by: key}: Os): string {
    const from = key === undefined ? mirror : `${mirror ?? ''} ${key}`;
    if (!this.#mirrors.has(name)) this.#mirrors.set(name, from);
    return this.#mirrors.get(name) === from
      ? name
      : `${name}-${canonicalDigest({mirror: from ?? null}).slice(0, 8)}`;
  }
}
