import {join} from 'node:path';
import {type ArchiveSource, archiveName} from '../plan/archives.ts';
import type {StageNode} from '../plan/graph.ts';
import {fail, ok, type Result} from '../result.ts';
import type {CommandLog} from '../sandbox/process.ts';
import type {Os} from '../spec/image.ts';
import type {Lock, LockedArchive, LockedPackage, LockedStage} from './lock.ts';
import {type ListedPackage, listFiles, lockedSuites, PackageLists} from './package-lists.ts';
import {requestOf} from './request.ts';
import {
  afterInstall,
  type Installed,
  type InstalledPackage,
  listOf,
  type Question,
  type Solution,
  Solver,
} from './solver.ts';
import type {DroppedFrom} from './stanza.ts';

export interface ResolveRequest {
  /** A plan of the whole spec in which archives are asked, with the tools image. */
  readonly nodes: readonly StageNode[];
  /** Folder with what an archive stage gave. */
  readonly outputOf: (stage: string) => string;
  /** The lock as it is. */
  readonly previous?: Lock | undefined;
  /** What is taken anew of what the lock has: nothing, these packages with what they need, or everything. */
  readonly update: 'nothing' | 'all' | readonly string[];
  /** Stanzas of packages that the lists have no more, by SHA-256; without those that cannot be had. */
  readonly stanzasOf: (
    packages: readonly LockedPackage[],
    from: DroppedFrom,
  ) => Promise<ReadonlyMap<string, string>>;
  /** Scratch folder. */
  readonly work: string;
  readonly aptGet: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
  readonly progress: (message: string) => void;
  readonly warn: (message: string) => void;
}

export interface ResolveFailure {
  readonly stage: string;
  /** apt's own words. */
  readonly lines: readonly string[];
}

/** Resolves everything that the stages of a plan install, in the plan's order. */
export async function resolveLock(request: ResolveRequest): Promise<Result<Lock, ResolveFailure>> {
  const archives = new Map<string, ArchiveWork>();
  for (const node of request.nodes) {
    if (node.kind !== 'archive') continue;
    request.progress(`Reading the package lists of ${archiveName(node.id)}`);
    archives.set(node.id, await ArchiveWork.open(node, request));
  }
  const renewed = await renewedNames(request, archives);
  const stages: Record<string, LockedStage> = {};
  const installed = new Map<string, Installed>();
  for (const node of request.nodes) {
    const asked = requestOf(node);
    const archive = archives.get(node.dependsOn[0] ?? '');
    if (asked === undefined || archive === undefined) continue;
    request.progress(`Resolving ${node.id}`);
    const below = node.layers.findLast((layer) => installed.has(layer));
    const before: Installed = (below === undefined ? undefined : installed.get(below)) ?? new Map();
    const solved = await archive.solve(node, {...asked, renewed}, before);
    if (!solved.ok) return fail({stage: node.id, lines: solved.error});
    const required = solved.value.added.filter(isRequired).map(({package: {name}}) => name);
    const first = node.kind === 'base' ? required : [];
    // What is installed for one step only is gone after it.
    const stays = node.params['keep_client'] !== false;
    installed.set(node.id, stays ? afterInstall(before, solved.value, [...asked.install, ...first]) : before);
    stages[node.id] = archive.take(solved.value, {...asked, required: first});
  }
  return ok({
    version: 1,
    archives: Object.fromEntries([...archives.values()].map((one) => [one.name, one.locked()])),
    stages: nameReferences(stages, archives),
    sources: sourcesOf(request.nodes),
  });
}

/**
 * What is taken anew with the packages that are named: what apt would upgrade with them where all that the lock has for
 * an image and a target is installed.
 */
async function renewedNames(
  {nodes, previous, update}: ResolveRequest,
  archives: ReadonlyMap<string, ArchiveWork>,
): Promise<ReadonlySet<string>> {
  const renewed = new Set(typeof update === 'string' ? [] : update);
  if (renewed.size === 0 || previous === undefined) return renewed;
  const installing = nodes.filter((node) => requestOf(node) !== undefined);
  const isBelow = new Set(installing.flatMap(({layers}) => layers));
  const byName = new Map([...archives.values()].map((one) => [one.name, one]));
  for (const node of installing) {
    const archive = archives.get(node.dependsOn[0] ?? '');
    if (archive === undefined || isBelow.has(node.id)) continue;
    const installed = new Map(
      [...node.layers, node.id].flatMap((id) => {
        const stage = previous.stages[id];
        return stage === undefined ? [] : (byName.get(stage.archive)?.keptOf(stage) ?? []);
      }),
    );
    const install = [...renewed].filter((name) => installed.has(name));
    if (install.length === 0) continue;
    const solved = await archive.ask({installed, install, remove: [], keep: new Map()});
    if (solved.ok) for (const {package: one} of solved.value.added) renewed.add(one.name);
  }
  return renewed;
}

function isRequired({priority}: ListedPackage): boolean {
  return priority === 'required';
}

/** The project's files that provisioners run, by image. */
function sourcesOf(nodes: readonly StageNode[]): Lock['sources'] {
  const sources: Record<string, Record<string, string>> = {};
  for (const {kind, image, files} of nodes) {
    if (kind !== 'provision' || image === undefined || Object.keys(files).length === 0) continue;
    sources[image] = {...sources[image], ...files};
  }
  return sources;
}

/** References hold versions until now; where an archive has one version of a package its name is enough. */
function nameReferences(
  stages: Readonly<Record<string, LockedStage>>,
  archives: ReadonlyMap<string, ArchiveWork>,
): Lock['stages'] {
  const byName = new Map([...archives.values()].map((one) => [one.name, one]));
  return Object.fromEntries(
    Object.entries(stages).map(([id, stage]) => {
      const archive = byName.get(stage.archive);
      const packages = stage.packages.map((word) => archive?.reference(word) ?? word).sort();
      return [id, {...stage, packages}];
    }),
  );
}

/** An archive while its packages are resolved. */
class ArchiveWork {
  readonly name: string;
  readonly #node: StageNode;
  readonly #lists: string;
  readonly #packages: PackageLists;
  readonly #solver: Solver;
  readonly #previous: Lock | undefined;
  readonly #kept: readonly LockedPackage[];
  readonly #taken = new Map<string, LockedPackage>();

  private constructor(parts: {
    node: StageNode;
    lists: string;
    packages: PackageLists;
    solver: Solver;
    previous: Lock | undefined;
    kept: readonly LockedPackage[];
  }) {
    this.name = archiveName(parts.node.id);
    this.#node = parts.node;
    this.#lists = parts.lists;
    this.#packages = parts.packages;
    this.#solver = parts.solver;
    this.#previous = parts.previous;
    this.#kept = parts.kept;
  }

  static async open(node: StageNode, request: ResolveRequest): Promise<ArchiveWork> {
    const name = archiveName(node.id);
    const lists = join(request.outputOf(node.id), 'lists');
    const sources = sourcesOfArchive(node);
    const packages = new PackageLists(listFiles(lists, sources));
    const {previous} = request;
    const known = request.update === 'all' ? [] : (previous?.archives[name]?.packages ?? []);
    const additions = new Map<string, string>();
    const kept: LockedPackage[] = [];
    const isListed = (one: LockedPackage): boolean =>
      packages.at(one.origin, one.path)?.package.sha256 === one.sha256;
    const stanzas = await request.stanzasOf(
      known.filter((one) => !isListed(one)),
      {
        os: osOf(node),
        roots: Object.fromEntries(sources.map(({origin, uri}) => [origin, uri])),
        suites: previous?.archives[name]?.suites ?? [],
      },
    );
    for (const one of known) {
      if (isListed(one)) {
        kept.push(one);
        continue;
      }
      const stanza = stanzas.get(one.sha256);
      const list = listOf(packages, one);
      if (stanza === undefined || list === undefined) {
        request.warn(
          `${one.name} ${one.version} is in no archive any more and cannot be kept: another version is taken`,
        );
        continue;
      }
      packages.add(one.origin, stanza);
      additions.set(list, `${additions.get(list) ?? ''}${stanza.trimEnd()}\n\n`);
      kept.push(one);
    }
    const os = osOf(node);
    const solver = new Solver({
      work: join(request.work, name.replaceAll('/', '_')),
      lists,
      sources,
      architecture: os.architecture,
      packages,
      additions,
      aptGet: request.aptGet,
      log: request.log,
      signal: request.signal,
    });
    return new ArchiveWork({node, lists, packages, solver, previous, kept});
  }

  /** What the lock has for a stage, as far as it can be kept. */
  keptOf({packages}: LockedStage): readonly (readonly [string, InstalledPackage])[] {
    const words = new Set(packages);
    return this.#kept
      .filter(({name, version}) => words.has(name) || words.has(`${name}=${version}`))
      .map((one) => [one.name, {...this.#listed(one), auto: true}] as const);
  }

  ask(question: Question): Promise<Result<Solution, readonly string[]>> {
    return this.#solver.solve(question);
  }

  #listed(one: LockedPackage): ListedPackage {
    const found = this.#packages.at(one.origin, one.path);
    if (found === undefined) throw new Error(`${one.path} is in no list`);
    return found;
  }

  /** With the versions of the lock; where they do not allow what is asked, apt may take others. */
  async solve(
    node: StageNode,
    asked: {
      readonly install: readonly string[];
      readonly remove: readonly string[];
      readonly renewed: ReadonlySet<string>;
    },
    installed: Installed,
  ): Promise<Result<Solution, readonly string[]>> {
    const first = node.kind === 'base' ? ['?essential', '?priority(required)'] : [];
    const question = {installed, install: [...first, ...asked.install], remove: asked.remove};
    if (question.install.length + question.remove.length === 0) return ok({added: [], removed: []});
    const keep = this.#keep(node.id, asked.renewed);
    const solved = await this.#solver.solve({...question, keep});
    return solved.ok || keep.size === 0 ? solved : this.#solver.solve({...question, keep: new Map()});
  }

  /** The version of each package that is to stay; a stage's own one where the lock has several. */
  #keep(stage: string, renewed: ReadonlySet<string>): ReadonlyMap<string, string> {
    const own = new Set(this.#previous?.stages[stage]?.packages);
    const keep = new Map<string, string>();
    for (const {name, version} of this.#kept) {
      if (renewed.has(name)) continue;
      if (!keep.has(name) || own.has(`${name}=${version}`)) keep.set(name, version);
    }
    return keep;
  }

  take(
    {added}: Solution,
    asked: {
      readonly install: readonly string[];
      readonly remove: readonly string[];
      readonly required: readonly string[];
    },
  ): LockedStage {
    for (const {package: one} of added) this.#taken.set(`${one.name}=${one.version}`, one);
    const {install, remove, required} = asked;
    return {
      archive: this.name,
      install,
      remove,
      packages: added.map(({package: one}) => `${one.name}=${one.version}`),
      ...(required.length === 0 ? {} : {required: required.toSorted()}),
    };
  }

  reference(word: string): string {
    const name = nameOf(word);
    const versions = [...this.#taken.values()].filter((one) => one.name === name);
    return versions.length === 1 ? name : word;
  }

  locked(): LockedArchive {
    const {distribution, release, architecture, snapshot} = osOf(this.#node);
    return {
      os: {distribution, release, architecture, ...(snapshot === undefined ? {} : {snapshot})},
      suites: lockedSuites(this.#lists, sourcesOfArchive(this.#node)),
      packages: [...this.#taken.values()].sort(byNameAndVersion),
    };
  }
}

function sourcesOfArchive(node: StageNode): readonly ArchiveSource[] {
  return node.params['sources'] as unknown as readonly ArchiveSource[];
}

function osOf(node: StageNode): Os {
  return node.notes?.['os'] as unknown as Os;
}

function nameOf(word: string): string {
  return word.replace(/=.*$/, '');
}

function byNameAndVersion(a: LockedPackage, b: LockedPackage): number {
  const word = ({name, version, architecture}: LockedPackage): string =>
    `${name}\0${version}\0${architecture}`;
  return word(a) < word(b) ? -1 : 1;
}
