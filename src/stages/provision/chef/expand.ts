import {quote} from '../../../spec/diagnostic.ts';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import type {Path} from '../../../spec/tree.ts';
import {type Cookbook, recipeNames, type Shelf} from './cookbooks.ts';
import type {ProjectFiles} from './project-files.ts';
import {definedNames, type Role, readRole} from './roles.ts';
import {fits, runListItem, sameVersion} from './run-list.ts';

/** A run list and where in the step it was written. */
export interface WrittenRunList {
  readonly items: readonly string[];
  /** The place of one item; of the list where that is not known. */
  readonly place: (index: number) => Path;
}

export interface ExpandOptions {
  readonly files: ProjectFiles;
  readonly shelf: Shelf;
  /** The folder of roles. */
  readonly roles: string | undefined;
  readonly environment: string;
}

/** What a run list stands for. */
export interface Expansion {
  readonly cookbooks: readonly Cookbook[];
  readonly roles: readonly Role[];
  /** Why all roles and cookbooks count: a file whose Ruby would have to be run to tell. */
  readonly unreadable: readonly string[];
  readonly problems: readonly StepProblem[];
}

/** Expands roles and dependencies, as Chef::RunList::RunListExpansion and the server's solver do. */
export function expand(list: WrittenRunList, options: ExpandOptions): Expansion {
  const expander = new Expander(options);
  for (const [index, item] of list.items.entries()) expander.item(item, {at: list.place(index)});
  expander.dependencies();
  return expander.found();
}

interface Wanted {
  readonly at: Path;
  /** Who names it, where the step does not itself. */
  readonly by?: string;
}

class Expander {
  readonly #options: ExpandOptions;
  readonly #cookbooks = new Map<string, Cookbook & Wanted>();
  readonly #roles = new Map<string, Role>();
  readonly #unreadable = new Set<string>();
  readonly #problems: StepProblem[] = [];

  constructor(options: ExpandOptions) {
    this.#options = options;
  }

  item(text: string, wanted: Wanted): void {
    const item = runListItem(text);
    if (item === undefined) {
      this.#problem(wanted, `${quote(text)} is not an item of a run list`, 'Write recipe[…] or role[…]');
      return;
    }
    if (item.kind === 'role') {
      this.#role(item.name, wanted);
      return;
    }
    const cookbook = this.#cookbook(item.cookbook, wanted);
    if (cookbook === undefined) return;
    const recipes = recipeNames(this.#options.files, cookbook);
    if (!recipes.includes(item.recipe)) {
      const near = nearest(item.recipe, recipes);
      this.#problem(
        wanted,
        `Cookbook ${item.cookbook} (${cookbook.folder}) has no recipe ${quote(item.recipe)}`,
        near === undefined
          ? `Its recipes are: ${recipes.join(', ') || 'none'}`
          : `Write \`recipe[${item.cookbook}::${near}]\``,
      );
    }
    const {version} = cookbook.metadata;
    if (item.version !== undefined && version !== undefined && !sameVersion(item.version, version))
      this.#problem(
        wanted,
        `Cookbook ${item.cookbook} is wanted in version ${item.version}; ${cookbook.folder} is ${version}`,
        'Put that version there, or change the run list',
      );
  }

  /** Adds what the cookbooks depend on, and what that depends on. */
  dependencies(): void {
    // A cookbook that is added while this goes on is visited too.
    for (const {name, metadata, folder, at} of this.#cookbooks.values()) {
      if (!metadata.complete) this.#unreadable.add(`${folder}/metadata.rb`);
      for (const one of metadata.depends) {
        const found = this.#cookbook(one, {at, by: `cookbook ${name}`});
        const wanted = metadata.wanted?.get(one);
        const version = found?.metadata.version;
        if (found === undefined || wanted === undefined || version === undefined) continue;
        if (fits(version, wanted) !== false) continue;
        this.#problem(
          {at, by: `cookbook ${name}`},
          `Cookbook ${one} is wanted in version ${wanted}; ${found.folder} is ${version}`,
          `Put such a version there, or change the metadata of ${folder}`,
        );
      }
    }
  }

  found(): Expansion {
    return {
      cookbooks: [...this.#cookbooks.values()],
      roles: [...this.#roles.values()],
      unreadable: [...this.#unreadable].sort(),
      problems: this.#problems,
    };
  }

  #role(name: string, wanted: Wanted): void {
    const {files, roles: folder, environment} = this.#options;
    if (this.#roles.has(name)) return;
    const role = folder === undefined ? undefined : readRole(files, folder, name);
    if (role === undefined) {
      const known = folder === undefined ? [] : definedNames(files, folder);
      const near = nearest(name, known);
      this.#problem(
        wanted,
        `There is no role ${quote(name)}${folder === undefined ? '' : ` in ${folder}`}`,
        near === undefined
          ? `Make ${folder ?? 'roles'}/${name}.json, or take it out of the run list`
          : `Write \`role[${near}]\``,
      );
      return;
    }
    this.#roles.set(name, role);
    const items = role.runList(environment);
    if (items === undefined) {
      this.#unreadable.add(role.path);
      return;
    }
    for (const item of items) this.item(item, {at: wanted.at, by: `role ${name}`});
  }

  #cookbook(name: string, wanted: Wanted): Cookbook | undefined {
    const known = this.#cookbooks.get(name);
    if (known !== undefined) return known;
    const {shelf} = this.#options;
    const [cookbook, other] = shelf.find(name);
    if (cookbook === undefined) {
      const near = nearest(
        name,
        shelf.all().map((one) => one.name),
      );
      const where = shelf.paths.length === 0 ? 'no folder of cookbooks' : shelf.paths.join(', ');
      this.#problem(
        wanted,
        shelf.paths.length === 0
          ? `There is no cookbook ${quote(name)}: the step has ${where}`
          : `There is no cookbook ${quote(name)} in ${where}`,
        near === undefined || wanted.by !== undefined
          ? 'Put the cookbook there, or name its folder under `cookbooks`'
          : `Write \`recipe[${near}]\``,
      );
      return undefined;
    }
    if (other !== undefined)
      this.#problem(
        wanted,
        `Cookbook ${name} is in ${cookbook.folder} as well as in ${other.folder}`,
        'Keep one of them',
      );
    this.#cookbooks.set(name, {...cookbook, ...wanted});
    return cookbook;
  }

  #problem({at, by}: Wanted, message: string, hint: string): void {
    this.#problems.push({at, message: by === undefined ? message : `${message} (wanted by ${by})`, hint});
  }
}
