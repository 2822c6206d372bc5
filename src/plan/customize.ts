import type {Target} from '../../targets/contract.ts';
import type {Image, ImageTarget, Os, Provisioner, Repository} from '../spec/image.ts';
import {type Clones, cloneStage} from './clones.ts';
import {expandCopies} from './fingerprint.ts';
import type {StepRun} from './graph.ts';
import type {GraphBuilder} from './graph-builder.ts';
import {importedBase} from './imported-base.ts';
import type {Installing} from './locked.ts';
import {imageParts, type Part} from './parts.ts';
import {provisionParts} from './provision-parts.ts';
import type {Roots} from './roots.ts';

/** The customized tree of an image: what targets build on. */
export interface Customized {
  /** Id of the stage that has the package lists; with a lock, the name that they had. Absent: there are none. */
  readonly archive: string | undefined;
  /** Its own and those of the images below it. */
  readonly repositories: readonly Repository[];
  readonly layers: readonly string[];
}

export interface CustomizingOptions {
  readonly images: readonly Image[];
  readonly projectDir: string;
  readonly targetOfType: (type: string) => Target;
  /** What of other images is brought before the rest is installed; absent: nothing. */
  readonly clones?: Clones | undefined;
}

/** For whom an image is customized: an entry of `targets`. */
export type ForTarget = Pick<ImageTarget, 'name' | 'type'>;

/** The stages from a base to the tree that an image's targets share, a layer for each part of the spec. */
export class Customizing {
  readonly #graph: GraphBuilder;
  readonly #roots: Roots;
  readonly #options: CustomizingOptions;
  readonly #known = new Map<string, Customized>();

  constructor(graph: GraphBuilder, roots: Roots, options: CustomizingOptions) {
    this.#graph = graph;
    this.#roots = roots;
    this.#options = options;
  }

  /** Targets for which the same steps of `provision` are meant share all stages; the others from the first such step on. */
  async tree(image: Image, target: ForTarget): Promise<Customized> {
    const variant = this.#variantOf(image, target);
    const name = `${image.name}${variant === undefined ? '' : `@${variant}`}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const parent =
      image.from === undefined ? undefined : await this.tree(this.#imageNamed(image.from), target);
    const repositories = [...(parent?.repositories ?? []), ...image.repositories];
    const archive = this.#archive(image, repositories, parent);
    const layers: string[] = parent === undefined ? [this.#root(image)] : [...parent.layers];
    for (const part of await this.#parts(image, target, parent !== undefined)) {
      const of = part.ofTarget === true && variant !== undefined ? `@${variant}` : '';
      const id = `customize:${image.name}/${part.name}${of}`;
      for (const [layer, install] of (this.#options.clones?.get(id)?.layers ?? []).entries()) {
        const stage = cloneStage(id, layer);
        const shared = {...part, name: stage.name, install};
        layers.push(this.#add(shared, {image, id: stage.id, archive, repositories, layers}));
      }
      layers.push(this.#add(part, {image, id, archive, repositories, layers}));
    }
    const customized = {archive, layers, repositories};
    this.#known.set(name, customized);
    return customized;
  }

  #archive(
    {os, name, repositories: own}: Image,
    repositories: readonly Repository[],
    parent: Customized | undefined,
  ): string | undefined {
    if (!this.#roots.archives.hasPackages(os)) return undefined;
    if (own.length > 0) return this.#roots.archive(os, {image: name, repositories});
    return parent?.archive ?? this.#roots.archive(os);
  }

  /** What an image stands on that is built on no other one. */
  #root({os, base}: Image): string {
    return base === undefined
      ? this.#roots.base(os)
      : importedBase(base, {os, ...this.#options, graph: this.#graph, roots: this.#roots});
  }

  async #parts(image: Image, target: ForTarget, isChild: boolean): Promise<readonly Part[]> {
    const {projectDir} = this.#options;
    const own = this.#hasOwnSteps(image);
    const {before, after} = imageParts(image, {
      template: this.#roots.archives.template(image.os),
      isChild,
      platform: this.#platform(image),
      copied: await expandCopies(projectDir, image.copy),
    });
    const steps = await provisionParts(image, {
      projectDir,
      isWanted: (step) => isMeantFor(step, target),
    });
    return [...before, ...steps, ...after.map((part) => (own ? {...part, ofTarget: true} : part))];
  }

  #add(
    part: Part,
    of: {
      readonly image: Image;
      readonly id: string;
      readonly archive: string | undefined;
      readonly repositories: readonly Repository[];
      readonly layers: readonly string[];
    },
  ): string {
    const {image, id, archive, repositories, layers} = of;
    const {install, remove = [], files = [], programs} = part;
    const {os} = image;
    const installing =
      install === undefined
        ? nothingToInstall
        : this.#roots.installing({stage: id, archive, install, remove, os, repositories});
    if (part.kind === 'provision') this.#checkSources(image, part);
    const tools = programs === undefined ? undefined : this.#roots.toolsFor(programs);
    const isOnline = part.readsLists === true;
    const listed = isOnline && install === undefined && this.#roots.lock === undefined ? archive : undefined;
    return this.#graph.add({
      ...installing,
      id,
      kind: part.kind,
      title: `customize ${image.name}: ${part.name}`,
      image: image.name,
      dependsOn: [
        ...installing.dependsOn,
        ...(listed === undefined ? [] : [listed]),
        ...layers,
        ...(tools === undefined ? [] : [tools]),
      ],
      layers: [...layers],
      ...(tools === undefined ? {} : {toolsFrom: tools}),
      params: {
        ...part.params,
        ...(install === undefined ? {} : {install, remove}),
        ...this.#roots.archives.epoch(os),
        ...installing.params,
      },
      files,
      ...(part.step === undefined
        ? {}
        : {step: {...part.step, system: systemName(os), ...(isOnline ? this.#online(os, archive) : {})}}),
      origins: part.origins,
    });
  }

  /** Where a step with a network finds packages; with a lock it has no lists to begin with. */
  #online(os: Os, archive: string | undefined): Pick<StepRun, 'aptSources' | 'lists'> {
    const {archives, lock} = this.#roots;
    const hasLists = lock === undefined && archive !== undefined;
    return {aptSources: archives.sourceLines(os), ...(hasLists ? {lists: archive} : {})};
  }

  /** What a provisioner runs is to be what it was when the lock was made. */
  #checkSources({name: image}: Image, {name, files = []}: Part): void {
    for (const path of files)
      this.#roots.lock?.source({
        image,
        path,
        digest: this.#graph.fingerprint(path),
        place: `${name} of ${image}`,
      });
  }

  /**
   * Packages that every target of the image adds. Below the image's own packages, they are not installed again each
   * time those change; all targets of the spec count, whichever are built.
   */
  #platform(image: Image): readonly string[] {
    const lists = image.targets.map(
      ({type, options}) => this.#options.targetOfType(type).adapt(image, options).packages,
    );
    const [first = [], ...others] = lists;
    return first.filter((name) => others.every((list) => list.includes(name))).sort();
  }

  /** What tells the trees of an image apart: the steps that are not for all its targets; absent: it has one tree. */
  #variantOf(image: Image, target: ForTarget): string | undefined {
    if (!this.#hasOwnSteps(image)) return undefined;
    const sameTree = image.targets.find(
      (other) => this.#stepsFor(image, other) === this.#stepsFor(image, target),
    );
    return sameTree?.name ?? target.name;
  }

  #hasOwnSteps(image: Image): boolean {
    return this.#line(image).some(({provision}) => provision.some(({when}) => when !== undefined));
  }

  #stepsFor(image: Image, target: ForTarget): string {
    return this.#line(image)
      .map(({provision}) => provision.map((step) => (isMeantFor(step, target) ? '1' : '0')).join(''))
      .join('/');
  }

  /** The image and those below it. */
  #line(image: Image): readonly Image[] {
    return image.from === undefined ? [image] : [image, ...this.#line(this.#imageNamed(image.from))];
  }

  #imageNamed(name: string): Image {
    const image = this.#options.images.find((candidate) => candidate.name === name);
    if (image === undefined) throw new Error(`There is no image ${name}`);
    return image;
  }
}

/** Whether a step of `provision` is run for a target, which is named by its own name or its type. */
function isMeantFor({when}: Provisioner, {name, type}: ForTarget): boolean {
  return when === undefined || when.target.includes(name) || when.target.includes(type);
}

function systemName({distribution, release, architecture}: Os): string {
  return [distribution, release, architecture].filter((word) => word !== '').join('-');
}

const nothingToInstall: Installing = {dependsOn: [], params: {}};
