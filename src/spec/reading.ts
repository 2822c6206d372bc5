import {dirname, isAbsolute, join, relative} from 'node:path';
import {type Diagnostic, quote} from './diagnostic.ts';
import {checkShape} from './explain.ts';
import {nearest} from './nearest.ts';
import {parseTree} from './parse.ts';
import type {Project} from './project.ts';
import type {Reporter} from './report.ts';
import type {SpecSchemas} from './schema.ts';
import {readSource, type SourceFile} from './source.ts';
import {starterPath, starterPrefix, starters} from './starters.ts';
import {isText, type MapTree, type ScalarTree, toJson, treeAt, withEntries} from './tree.ts';

/** A spec file that was read; `starter`: its name, where it is one that comes with fgimage. */
export interface ReadSource extends SourceFile {
  readonly starter?: string;
}

/** A file that another one extends. */
interface Base {
  readonly absolute: string;
  /** As messages name it. */
  readonly file: string;
  readonly starter?: string;
}

/** The spec files as they are read, one after the other. */
export class Reading {
  readonly sources: ReadSource[] = [];
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

  /**
   * A spec file and all that it extends, the lowest first: what is written later counts before what was said earlier. A
   * file that is extended by several counts once, where it comes first.
   */
  async layers(absolute: string, open: () => Promise<Project>): Promise<MapTree[]> {
    const file = {absolute, file: shown(this.#cwd, absolute)};
    const main = await this.#read(file);
    return main === undefined ? [] : this.#withBases(main, {project: await open(), trail: [file]});
  }

  async #withBases(
    top: MapTree,
    {project, trail}: {readonly project: Project; readonly trail: readonly Base[]},
  ): Promise<MapTree[]> {
    const layers: MapTree[] = [];
    for (const name of extendedBy(top)) {
      const base = await this.#find(name, {project, from: trail.at(-1)});
      if (base === undefined) continue;
      if (trail.some(({absolute}) => absolute === base.absolute)) {
        const circle = [...trail, base].map(({file}) => file).join(' → ');
        this.#report.at(name.site, {
          message: `The files extend each other in a circle: ${circle}`,
          hint: 'Remove one `extends`',
        });
        this.broken = true;
        continue;
      }
      if (this.sources.some((source) => source.absolute === base.absolute)) continue;
      const next = await this.#read(base);
      if (next !== undefined)
        layers.push(...(await this.#withBases(next, {project, trail: [...trail, base]})));
    }
    return [...layers, withoutExtends(top)];
  }

  /** The file that a name under `extends` is of; undefined, and reported, where there is none. */
  async #find(
    name: ScalarTree & {readonly value: string},
    {project, from}: {readonly project: Project; readonly from: Base | undefined},
  ): Promise<Base | undefined> {
    if (name.value.startsWith(starterPrefix)) {
      const starter = name.value.slice(starterPrefix.length);
      const names = starters().map((one) => one.name);
      if (names.includes(starter)) return {absolute: starterPath(starter), file: name.value, starter};
      const near = nearest(starter, names);
      this.#report.at(name.site, {
        message: `fgimage has no starter ${quote(starter)}`,
        hint:
          near === undefined ? `Its starters are ${names.join(', ')}` : `Write \`${starterPrefix}${near}\``,
      });
      this.broken = true;
      return undefined;
    }
    const problem = await project.problem(name.value);
    if (problem === undefined) {
      const absolute = join(project.dir, name.value);
      return {absolute, file: shown(this.#cwd, absolute)};
    }
    const beside = from === undefined ? undefined : besideFile(name.value, {project, from});
    this.#report.at(name.site, beside === undefined ? problem : {...problem, hint: beside});
    this.broken = true;
    return undefined;
  }

  /** Reads one file and holds it against the schema; undefined where it is not a mapping at all. */
  async #read({absolute, file, starter}: Base): Promise<MapTree | undefined> {
    const source = await readSource(absolute, file);
    if (!source.ok) return this.#broke([source.error]);
    this.sources.push({...source.value, ...(starter === undefined ? {} : {starter})});
    const tree = parseTree(source.value);
    if (!tree.ok) return this.#broke(tree.error);
    const plain = tree.value.kind === 'map' ? withoutExtensions(tree.value) : tree.value;
    this.#report.add(checkShape(this.#schemas.file, plain, toJson(plain)));
    return plain.kind === 'map' ? plain : this.#broke([]);
  }

  #broke(diagnostics: readonly Diagnostic[]): undefined {
    this.#report.add(diagnostics);
    this.broken = true;
  }
}

/** What to write instead of a name that was meant from the folder of the file that holds it. */
function besideFile(
  name: string,
  {project, from}: {readonly project: Project; readonly from: Base},
): string | undefined {
  if (isAbsolute(name)) return undefined;
  const path = relative(project.dir, join(dirname(from.absolute), name));
  return path !== '' && project.isFile(path)
    ? `Write \`${path}\`: paths are relative to the folder of the spec`
    : undefined;
}

/** The names under `extends`, in their order. */
function extendedBy(map: MapTree): readonly (ScalarTree & {readonly value: string})[] {
  const found = treeAt(map, ['extends']);
  const all = found?.kind === 'list' ? found.items : found === undefined ? [] : [found];
  // What is empty is told by the schema.
  return all.filter(isText).filter(({value}) => value !== '');
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
