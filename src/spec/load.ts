import {readFileSync} from 'node:fs';
import {dirname, isAbsolute, join, relative, resolve} from 'node:path';
import {sha256} from '../../cache/tree.ts';
import {targetSchemas} from '../../targets/schemas.ts';
import {fail, ok, type Result} from '../result.ts';
import {type CacheSettings, readCacheSettings} from './cache-settings.ts';
import {checkImage} from './check.ts';
import {checkPaths} from './check-paths.ts';
import {checkTargets} from './check-targets.ts';
import {type Diagnostic, type Position, sortDiagnostics} from './diagnostic.ts';
import {checkShape} from './explain.ts';
import type {Image, ImageTarget} from './image.ts';
import {expandImages, type ImageTree} from './images.ts';
import {mergeMaps} from './merge.ts';
import {normaliseImage} from './normalise.ts';
import {parseTree} from './parse.ts';
import {checkPolicyTargets} from './policy.ts';
import {Project} from './project.ts';
import {provisionKinds} from './provision-kinds.ts';
import {Reporter} from './report.ts';
import {type ImageEntry, type SpecSchemas, specSchemas} from './schema.ts';
import {positionOf, readSource, type SourceFile} from './source.ts';
import {readTargets, type TargetSchemas, type TargetTypes} from './targets.ts';
import {entriesAt, type MapTree, nearestTree, type Path, textAt, toJson, withEntries} from './tree.ts';

export interface LoadOptions {
  /** The spec, relative to `cwd`. */
  readonly file: string;
  /** The folder that shown paths are relative to; the process's own where it is left out. */
  readonly cwd?: string;
  /** The target types; all of targets/schemas.ts where it is left out. */
  readonly targets?: TargetSchemas;
}

export interface LoadedSpec {
  /** Absolute path of the spec. */
  readonly file: string;
  /** Absolute path of its folder, which every path in an image is relative to. */
  readonly projectDir: string;
  readonly name: string;
  /** An image comes after the one it is built on. */
  readonly images: readonly Image[];
  /** Every spec file that was read, and the files of the project's own targets, with absolute paths, the main one first. */
  readonly files: readonly {readonly path: string; readonly sha256: string}[];
  readonly warnings: readonly Diagnostic[];
  readonly cache: CacheSettings;
  /**
   * Where a value of an image was written: `locate('web', ['packages', 3])`. A path that leads further than the file
   * (a default, a derived value) gives the nearest value around it; undefined where there is no such image.
   */
  locate(image: string, path: Path): Position | undefined;
}

/**
 * Reads a spec and the files it extends, and gives its images, or everything that is wrong with them in the order of
 * the files. Reads only; no network. Throws `FgError` SPEC_NOT_FOUND where the spec itself cannot be read.
 */
export async function loadSpec(options: LoadOptions): Promise<Result<LoadedSpec, readonly Diagnostic[]>> {
  const cwd = resolve(options.cwd ?? '.');
  const file = resolve(cwd, options.file);
  const report = new Reporter();
  const schemas = await specSchemas();
  const reading = new Reading(cwd, {schemas, report});
  const main = await reading.file(file);
  const project = await Project.open(dirname(file));
  const layers = main === undefined ? [] : await reading.chain(main, project);
  const order = reading.sources.map((source) => source.file);
  if (reading.broken) return fail(sortDiagnostics(report.diagnostics, order));

  const merged = layers.reduce((base, over) => mergeMaps(base, over));
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
    images,
    files: [
      ...reading.sources.map((source) => ({path: source.absolute, sha256: source.sha256})),
      ...[...targets.files].map((path) => ({path, sha256: sha256(readFileSync(path))})),
    ],
    warnings: diagnostics,
    cache: readCacheSettings(cacheJson(merged)),
    locate: (image, path) =>
      locate(
        found.find(({tree}) => tree.name === image),
        path,
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

/** The spec files as they are read, one after the other. */
class Reading {
  readonly sources: SourceFile[] = [];
  /** Whether a file could not be read as YAML at all, so that what the others say is not the whole. */
  broken = false;
  readonly #cwd: string;
  readonly #schemas: SpecSchemas;
  readonly #report: Reporter;

  constructor(cwd: string, {schemas, report}: {readonly schemas: SpecSchemas; readonly report: Reporter}) {
    this.#cwd = cwd;
    this.#schemas = schemas;
    this.#report = report;
  }

  /** Reads one file and holds it against the schema; undefined where it is not a mapping at all. */
  async file(absolute: string): Promise<MapTree | undefined> {
    const source = await readSource(absolute, shown(this.#cwd, absolute));
    if (!source.ok) return this.#broke([source.error]);
    this.sources.push(source.value);
    const tree = parseTree(source.value);
    if (!tree.ok) return this.#broke(tree.error);
    const plain = tree.value.kind === 'map' ? withoutExtensions(tree.value) : tree.value;
    this.#report.add(checkShape(this.#schemas.file, plain, toJson(plain)));
    return plain.kind === 'map' ? plain : this.#broke([]);
  }

  /** The file and all that it extends, the base first. */
  async chain(main: MapTree, project: Project): Promise<MapTree[]> {
    const layers = [main];
    for (let top = main; ; ) {
      const base = textAt(top, 'extends');
      if (base === undefined) return layers.map(withoutExtends);
      const problem = await project.problem(base.value);
      if (problem !== undefined) {
        this.#report.at(base.site, problem);
        this.broken = true;
        return layers;
      }
      const absolute = join(project.dir, base.value);
      if (this.sources.some((source) => source.absolute === absolute)) {
        const circle = [...this.sources.map((source) => source.file), shown(this.#cwd, absolute)].join(' → ');
        this.#report.at(base.site, {
          message: `The files extend each other in a circle: ${circle}`,
          hint: 'Remove one `extends`',
        });
        this.broken = true;
        return layers;
      }
      const next = await this.file(absolute);
      if (next === undefined) return layers;
      layers.unshift(next);
      top = next;
    }
  }

  #broke(diagnostics: readonly Diagnostic[]): undefined {
    this.#report.add(diagnostics);
    this.broken = true;
  }
}

/** `x-…` keys hold anchors, nothing that fgimage reads. */
function withoutExtensions(map: MapTree): MapTree {
  return withEntries(
    map,
    [...map.entries].filter(([key]) => !key.startsWith('x-')),
  );
}

function withoutExtends(map: MapTree): MapTree {
  return withEntries(
    map,
    [...map.entries].filter(([key]) => key !== 'extends'),
  );
}

function shown(cwd: string, absolute: string): string {
  const path = relative(cwd, absolute);
  return path.startsWith('..') || isAbsolute(path) ? absolute : path;
}

/** Keys of an image that the spec spells otherwise. */
const spelledOtherwise: Readonly<Record<string, string>> = {size_bytes: 'size', content_base64: 'content'};

function locate(found: FoundImage | undefined, path: Path): Position | undefined {
  if (found === undefined) return undefined;
  const [first, index, ...rest] = path;
  if (first === 'targets' && typeof index === 'number') {
    const steps = rest[0] === 'options' ? rest.slice(1) : rest;
    return positionOf(targetSite(found, [found.targets[index]?.name ?? '', ...steps]));
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
