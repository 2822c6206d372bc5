import {readFileSync} from 'node:fs';
import {dirname, resolve} from 'node:path';
import {sha256} from '../../cache/tree.ts';
import {targetSchemas} from '../../targets/schemas.ts';
import {fail, ok, type Result} from '../result.ts';
import {type CacheSettings, readCacheSettings} from './cache-settings.ts';
import {checkImage} from './check.ts';
import {checkPaths} from './check-paths.ts';
import {checkTargets} from './check-targets.ts';
import {type Diagnostic, type Position, sortDiagnostics} from './diagnostic.ts';
import type {Image, ImageTarget, Os} from './image.ts';
import {expandImages, type ImageTree} from './images.ts';
import {mergeMaps} from './merge.ts';
import {type NamedPaths, namedPaths} from './named-paths.ts';
import {normaliseImage} from './normalise.ts';
import {checkPolicyTargets} from './policy.ts';
import {applyProfiles, type ChosenProfiles} from './profiles.ts';
import {Project} from './project.ts';
import {provisionKinds} from './provision-kinds.ts';
import {writtenIndex} from './provision-step.ts';
import {Reading} from './reading.ts';
import {Reporter} from './report.ts';
import {type ImageEntry, specSchemas} from './schema.ts';
import {positionOf} from './source.ts';
import {readTargets, type TargetSchemas, type TargetTypes} from './targets.ts';
import {entriesAt, itemsAt, type MapTree, nearestTree, type Path, textAt, toJson} from './tree.ts';

export interface LoadOptions {
  /** The spec, relative to `cwd`. */
  readonly file: string;
  /** The folder that shown paths are relative to; the process's own where it is left out. */
  readonly cwd?: string;
  /** Profiles to merge over the spec; its own defaults where it is left out. */
  readonly profiles?: ChosenProfiles;
  /** The target types; all of targets/schemas.ts where it is left out. */
  readonly targets?: TargetSchemas;
}

/** A file that a spec consists of. */
export interface SpecFile {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  /** The spec itself, a file that it extends, one that comes with fgimage, or one of a target of the project's own. */
  readonly kind: 'spec' | 'extends' | 'starter' | 'target';
  /** Name of the starter that it is: part of fgimage, not of the project. */
  readonly starter?: string;
}

export interface LoadedSpec {
  /** Absolute path of the spec. */
  readonly file: string;
  /** Absolute path of its folder, which every path in an image is relative to. */
  readonly projectDir: string;
  readonly name: string;
  /** Those that were merged over the spec, in their order. */
  readonly profiles: readonly string[];
  /** An image comes after the one it is built on. */
  readonly images: readonly Image[];
  /** Every spec file that was read, and the files of the project's own targets, the main one first. */
  readonly files: readonly SpecFile[];
  readonly warnings: readonly Diagnostic[];
  readonly cache: CacheSettings;
  /**
   * Where a value of an image was written: `locate('web', ['packages', 3])`. A path that leads further than the file
   * (a default, a derived value) gives the nearest value around it; undefined where there is no such image.
   */
  locate(image: string, path: Path): Position | undefined;
  /** What a copy of the project needs beside what is read of it; asks the project anew. */
  named(): Promise<NamedPaths>;
}

/**
 * Reads a spec and the files it extends, and gives its images, or everything that is wrong with them in the order of
 * the files. Reads only; no network. Throws `FgError` where the spec itself cannot be read, or has no such profile.
 */
export async function loadSpec(options: LoadOptions): Promise<Result<LoadedSpec, readonly Diagnostic[]>> {
  const cwd = resolve(options.cwd ?? '.');
  const file = resolve(cwd, options.file);
  const report = new Reporter();
  const schemas = await specSchemas();
  const reading = new Reading(cwd, {schemas, report});
  // A folder that is not there is told as a spec that is not.
  const layers = await reading.layers(file, () => Project.open(dirname(file)));
  const order = reading.sources.map((source) => source.file);
  if (reading.broken) return fail(sortDiagnostics(report.diagnostics, order));

  const whole = layers.reduce((base, over) => mergeMaps(base, over));
  const {spec: merged, profiles} = applyProfiles(whole, {chosen: options.profiles, file});
  const project = await Project.open(dirname(file));
  const targets = {schemas: options.targets ?? targetSchemas, project, files: new Set<string>()};
  const found = await readImages(merged, {project, report, targets});
  const diagnostics = sortDiagnostics(report.diagnostics, order);
  if (report.failed) return fail(diagnostics);

  const kinds = await provisionKinds();
  const images = found.map(({tree, targets}) =>
    normaliseImage(schemas.image.parse(toJson(tree.body)) satisfies ImageEntry, {
      name: tree.name,
      ...(tree.from === undefined ? {} : {from: tree.from}),
      targets,
      kinds,
      isFile: project.isFile,
    }),
  );
  return ok({
    file,
    projectDir: project.dir,
    name: textAt(merged, 'name')?.value ?? '',
    profiles,
    images,
    files: [
      ...reading.sources.map(({absolute, sha256, starter}): SpecFile => {
        const named = {path: absolute, sha256};
        if (starter !== undefined) return {...named, kind: 'starter', starter};
        return {...named, kind: absolute === file ? 'spec' : 'extends'};
      }),
      ...[...targets.files].map(
        (path): SpecFile => ({
          path,
          sha256: sha256(readFileSync(path)),
          kind: 'target',
        }),
      ),
    ],
    warnings: diagnostics,
    cache: readCacheSettings(cacheJson(merged)),
    locate: (image, path) =>
      locate(
        found.find(({tree}) => tree.name === image),
        path,
        images.find(({name}) => name === image)?.os,
      ),
    named: () =>
      namedPaths(
        images.flatMap(({os}, index) => {
          const body = found[index]?.tree.body;
          return body === undefined ? [] : [{body, os}];
        }),
        {kinds, project},
      ),
  });
}

function cacheJson(merged: MapTree): unknown {
  const entry = merged.entries.get('cache');
  return entry === undefined ? undefined : toJson(entry.value);
}

interface FoundImage {
  readonly tree: ImageTree;
  readonly targets: readonly ImageTarget[];
}

interface ImageReading {
  readonly project: Project;
  readonly report: Reporter;
  readonly targets: TargetTypes;
}

async function readImages(merged: MapTree, {project, report, targets}: ImageReading): Promise<FoundImage[]> {
  if (!merged.entries.has('name')) {
    report.at(merged.site, {
      message: 'The spec has no `name`',
      hint: 'Write `name: …`: the image is named after it',
    });
  }
  const images = merged.entries.get('images');
  if (images?.value.kind === 'map' && images.value.entries.size === 0) {
    report.at(images.keySite, {
      message: '`images` is empty',
      hint: 'Name an image below it, or remove the key',
    });
  }
  const kinds = await provisionKinds();
  const found: FoundImage[] = [];
  for (const tree of expandImages(merged, report)) {
    checkImage(tree, report);
    checkTargets(tree.body, report);
    await checkPaths(tree, {project, kinds, report});
    found.push({tree, targets: await readTargets(tree.body, targets, report)});
  }
  checkPolicyTargets(
    found.map(({tree}) => tree.body),
    {
      targets: found.flatMap(({tree}) => entriesAt(tree.body, 'targets').map(([name]) => name)),
      types: Object.keys(targets.schemas),
      report,
    },
  );
  return found;
}

/** Keys of an image that the spec spells otherwise. */
const spelledOtherwise: Readonly<Record<string, string>> = {size_bytes: 'size', content_base64: 'content'};

function locate(found: FoundImage | undefined, path: Path, os: Os | undefined): Position | undefined {
  if (found === undefined) return undefined;
  const [first, index, ...rest] = path;
  if (first === 'targets' && typeof index === 'number') {
    const steps = rest[0] === 'options' ? rest.slice(1) : rest;
    return positionOf(targetSite(found, [found.targets[index]?.name ?? '', ...steps]));
  }
  if (first === 'provision' && typeof index === 'number' && os !== undefined) {
    const at = writtenIndex(itemsAt(found.tree.body, 'provision').map(toJson), {os, index});
    return positionOf(nearestTree(found.tree.body, [first, at, ...rest]).site);
  }
  const written = path.map((step) => spelledOtherwise[step] ?? step);
  return positionOf(nearestTree(found.tree.body, written).site);
}

function targetSite({tree}: FoundImage, path: Path) {
  const targets = tree.body.entries.get('targets')?.value ?? tree.body;
  const entry = targets.kind === 'map' ? targets.entries.get(String(path[0])) : undefined;
  const inner = nearestTree(targets, path);
  return inner === targets || inner === entry?.value ? (entry?.keySite ?? inner.site) : inner.site;
}
