import {readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {filesBelow, foldersIn, isFolder, isProjectFile} from '../project-files.ts';

/** What of a module is never applied. */
const aside = ['spec', 'tests', 'examples', 'docs', 'README.md', 'REFERENCE.md', 'CHANGELOG.md', 'LICENSE'];

/** The modules of a project (https://www.puppet.com/docs/puppet/8/modules_fundamentals.html). */
export class Modules {
  readonly #dir: string;
  /** By name, the folder. */
  readonly #folders = new Map<string, string>();
  /** The modules that give a word of the language: a function, a type or a fact, which no name of a module stands before. */
  readonly #givers = new Map<string, string[]>();
  /** Modules that give facts of which the names are known only when they run. */
  readonly #always: string[] = [];

  constructor(projectDir: string, paths: readonly string[]) {
    this.#dir = projectDir;
    for (const path of paths) {
      const folders = isModule(projectDir, path)
        ? [path]
        : foldersIn(projectDir, path).map((name) => `${path}/${name}`);
      for (const folder of folders) if (!this.#folders.has(basename(folder))) this.#add(folder);
    }
  }

  get names(): readonly string[] {
    return [...this.#folders.keys()];
  }

  /**
   * The modules that these texts may use, with those that they depend on: every module of which the name, or a word that
   * it gives, stands in one of them. Comments count too; a module too many costs nothing but another key. All modules,
   * where a manifest names a class by a variable.
   */
  usedBy(texts: Iterable<string>): ReadonlySet<string> {
    const used = new Set<string>();
    const waiting = [...texts, ...this.#always];
    for (let text = waiting.pop(); text !== undefined; text = waiting.pop()) {
      if (dynamic.test(text)) return new Set(this.names);
      for (const word of wordsOf(text)) {
        for (const name of [...(this.#folders.has(word) ? [word] : []), ...(this.#givers.get(word) ?? [])]) {
          if (used.has(name)) continue;
          used.add(name);
          waiting.push(...this.#texts(name), ...this.dependencies(name));
        }
      }
    }
    return used;
  }

  filesOf(name: string): readonly string[] {
    const folder = this.#folders.get(name);
    return folder === undefined ? [] : filesBelow(this.#dir, folder, aside);
  }

  /** The modules that a module's metadata.json says it depends on. */
  dependencies(name: string): readonly string[] {
    const path = `${this.#folders.get(name) ?? name}/metadata.json`;
    if (!isProjectFile(this.#dir, path)) return [];
    try {
      const value = JSON.parse(readFileSync(join(this.#dir, path), 'utf8')) as {
        readonly dependencies?: readonly {readonly name?: string}[];
      };
      return (value.dependencies ?? []).flatMap(({name: needed}) => needed?.replace(/^.*[/-]/, '') ?? []);
    } catch (error) {
      // Puppet itself says what is wrong with it.
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  }

  #add(folder: string): void {
    const name = basename(folder);
    this.#folders.set(name, folder);
    for (const [place, suffix] of givers) {
      if (!isFolder(this.#dir, `${folder}/${place}`)) continue;
      for (const path of filesBelow(this.#dir, `${folder}/${place}`)) {
        if (!path.endsWith(suffix)) continue;
        this.#gives(basename(path, suffix), name);
      }
    }
    const providers = `${folder}/lib/puppet/provider`;
    if (isFolder(this.#dir, providers))
      for (const path of filesBelow(this.#dir, providers))
        this.#gives(`provider:${basename(path, '.rb')}`, name);
    for (const fact of this.#facts(folder)) {
      if (fact === undefined) this.#always.push(name);
      else this.#gives(fact, name);
    }
  }

  #gives(word: string, name: string): void {
    const key = word.toLowerCase();
    this.#givers.set(key, [...(this.#givers.get(key) ?? []), name]);
  }

  /** The facts of a module, which its files need not be named after; undefined for what only a run would tell. */
  *#facts(folder: string): Generator<string | undefined> {
    for (const [place, ...names] of factFiles) {
      if (!isFolder(this.#dir, `${folder}/${place}`)) continue;
      for (const path of filesBelow(this.#dir, `${folder}/${place}`)) {
        const pattern = names.find(([suffix]) => suffix.test(path))?.[1];
        if (pattern === undefined) yield undefined;
        else
          for (const {groups} of readFileSync(join(this.#dir, path), 'utf8').matchAll(pattern))
            yield groups?.['name'];
      }
    }
  }

  /** The texts of a module in which it names others. */
  *#texts(name: string): Generator<string> {
    for (const path of this.filesOf(name))
      if (/\.(pp|epp|erb|ya?ml)$/.test(path)) yield readFileSync(join(this.#dir, path), 'utf8');
  }
}

/** Where a module has what others use by a bare word. */
const givers = [
  ['lib/puppet/type', '.rb'],
  ['lib/puppet/functions', '.rb'],
  ['lib/puppet/parser/functions', '.rb'],
  ['lib/facter', '.rb'],
] as const;

/** Where a module has facts, and how the names of these stand there (https://www.puppet.com/docs/puppet/8/external_facts.html). */
const factFiles = [
  ['lib/facter', [/./, /Facter\.add\(?\s*(?:[:'"]+(?<name>\w+)|\w)/g]],
  [
    'facts.d',
    [/\.ya?ml$/, /^['"]?(?<name>\w+)['"]?\s*:/gm],
    [/\.json$/, /"(?<name>\w+)"\s*:/g],
    [/\.txt$/, /^(?<name>\w+)=/gm],
  ],
] as const satisfies readonly (readonly [place: string, ...names: readonly (readonly [RegExp, RegExp])[]])[];

/** A class whose name is a variable's value. */
const dynamic = /^[^#\n]*(\b(include|contain|require|create_resources)\b[\s('"[]*\$|\bclass\s*\{\s*["']?\$)/m;

function isModule(projectDir: string, path: string): boolean {
  return isProjectFile(projectDir, `${path}/metadata.json`) || isFolder(projectDir, `${path}/manifests`);
}

/** Types have capitals where they are referred to: `Stdlib::Port`, `Web::Vhost['a']`. */
function wordsOf(text: string): ReadonlySet<string> {
  const low = text.toLowerCase();
  const providers = [...low.matchAll(/\bprovider\b['"]?\s*(?:=>|:)\s*['":]*(?<name>\w+)/g)];
  return new Set([
    ...(low.match(/[a-z_][a-z0-9_]*/g) ?? []),
    ...providers.map(({groups}) => `provider:${groups?.['name'] ?? ''}`),
  ]);
}
