import type {Image, JsonObject} from '../spec/image.ts';
import {type DistributionTemplate, isOnlyImported} from '../spec/template.ts';
import type {CopiedFile} from './fingerprint.ts';
import type {Origin, StageKind, StepRun} from './graph.ts';
import {impliedPackages, json, requestWord, same, unique} from './image-words.ts';

/** A part of an image that becomes a stage of its own when customizing. */
export interface Part {
  /** What comes behind `customize:<image>/`. */
  readonly name: string;
  readonly kind: StageKind;
  readonly params: JsonObject;
  /** Files of the project that it reads. */
  readonly files?: readonly string[];
  /** Of a part that installs packages: what apt is told. */
  readonly install?: readonly string[];
  readonly remove?: readonly string[];
  /** The tools image whose programs it runs, by its name. */
  readonly programs?: string;
  /** Whether it reads the package lists though it installs nothing by itself. */
  readonly readsLists?: boolean;
  /** Of a step of `provision`: how it is run. */
  readonly step?: StepRun;
  /** Whether it is another for each target: it, or something before it, is not for all. */
  readonly ofTarget?: boolean;
  readonly origins: readonly Origin[];
}

export interface PartsContext {
  readonly template: DistributionTemplate;
  /** Whether it starts from another image of the spec: then that has the kernel and the platform. */
  readonly isChild: boolean;
  /** Packages that all its targets add. */
  readonly platform: readonly string[];
  /** Files of the project that `copy` names. */
  readonly copied: readonly CopiedFile[];
}

/** The parts that an image has, before and after `provision`, in the order in which they are applied (docs/architecture.md). */
export function imageParts(
  image: Image,
  context: PartsContext,
): {readonly before: readonly Part[]; readonly after: readonly Part[]} {
  return {
    before: [...packageParts(image, context), ...settingParts(image), ...fileParts(image, context)],
    after: serviceParts(image),
  };
}

function packageParts(image: Image, {template, isChild, platform}: PartsContext): readonly Part[] {
  const {repositories, kernel, os} = image;
  const usualKernel = isOnlyImported(template) ? noKernel : template.kernel[os.architecture];
  const kernelPackage = kernel.package ?? usualKernel ?? 'linux-image-generic';
  const packages = [...image.packages.map(requestWord), ...impliedPackages(image)];
  const parts: readonly (Part | false)[] = [
    repositories.length > 0 && {
      name: 'repositories',
      kind: 'repositories',
      params: {repositories: json(repositories)},
      files: repositories.map(({signed_by: key}) => key),
      origins: [same('repositories')],
    },
    (!isChild || kernel.package !== undefined) &&
      kernelPackage !== noKernel && {
        name: 'kernel',
        kind: 'packages',
        params: {},
        // What makes a machine of a root: a container's has no init.
        install: [
          kernelPackage,
          ...template.kernel_packages,
          ...(image.base === undefined ? [] : template.packages),
        ],
        origins: [{param: ['install'], spec: ['kernel', 'package']}],
      },
    !isChild &&
      platform.length > 0 && {
        name: 'platform',
        kind: 'packages',
        params: {},
        install: platform,
        origins: [{param: ['install'], spec: ['targets']}],
      },
    packages.length + image.remove_packages.length > 0 && {
      name: 'packages',
      kind: 'packages',
      params: {},
      install: unique(packages),
      remove: unique(image.remove_packages),
      origins: [
        {param: ['install'], spec: ['packages']},
        {param: ['remove'], spec: ['remove_packages']},
      ],
    },
  ];
  return parts.filter((part) => part !== false);
}

/** `kernel.package` of an image whose base has its kernel, or that needs none. */
const noKernel = 'none';

function settingParts({hostname, locale, timezone, groups, users}: Image): readonly Part[] {
  const parts: readonly (Part | false)[] = [
    (hostname !== undefined || locale !== undefined || timezone !== undefined) && {
      name: 'settings',
      kind: 'settings',
      params: json({hostname, locale, timezone}) as JsonObject,
      origins: [same('hostname'), same('locale'), same('timezone')],
    },
    groups.length + users.length > 0 && {
      name: 'users',
      kind: 'users',
      params: {groups: json(groups), users: json(users)},
      origins: [same('groups'), same('users')],
    },
  ];
  return parts.filter((part) => part !== false);
}

function fileParts({write_files: written}: Image, {copied}: PartsContext): readonly Part[] {
  if (copied.length + written.length === 0) return [];
  const sources = written.map(({source}) => source).filter((source) => source !== undefined);
  return [
    {
      name: 'files',
      kind: 'files',
      params: {copied: json(copied), write_files: json(written)},
      files: unique([
        ...sources,
        ...copied.flatMap(({source, link}) => (link === undefined ? [source] : [])),
      ]),
      origins: [same('write_files'), {param: ['copied'], spec: ['copy']}],
    },
  ];
}

function serviceParts({services}: Image): readonly Part[] {
  const {enable, disable, mask} = services;
  if (enable.length + disable.length + mask.length === 0) return [];
  return [
    {
      name: 'services',
      kind: 'services',
      params: json(services) as JsonObject,
      origins: [{param: [], spec: ['services']}],
    },
  ];
}
